-- Deletes some buckets of services that began before an instant.
DELETE FROM service_stats WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM service_stats WHERE hour < :before LIMIT :most
))
