-- Deletes some buckets of jobs that began before an instant.
DELETE FROM job_stats WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM job_stats WHERE day < :before LIMIT :most
))
