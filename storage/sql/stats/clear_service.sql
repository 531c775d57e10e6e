-- Deletes a service's buckets of services from an instant on.
DELETE FROM service_stats WHERE service_id = :service_id AND hour >= :first
