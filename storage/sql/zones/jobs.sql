-- The next jobs of a pass, in the order in which they are due.
SELECT service_id, id, schedule::text,
    \ir ../calendars/of_job.sql
    AS calendars, next_fire_for, next_claim_at, accounted_to
FROM jobs
WHERE next_claim_at IS NOT NULL
    AND (next_claim_at, service_id, id) > (:claim_at, :service_id, :job_id)
ORDER BY next_claim_at, service_id, id
LIMIT :most
