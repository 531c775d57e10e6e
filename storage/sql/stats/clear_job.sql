-- Deletes a service's buckets of jobs from an instant on.
DELETE FROM job_stats WHERE service_id = :service_id AND day >= :first
