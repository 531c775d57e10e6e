-- Locks jobs that are on time, in the order in which they fall due. Two lanes, so that what is on
-- time never waits behind what is late (late_jobs.sql).
SELECT
    \ir due_job_columns.sql
FROM jobs
WHERE next_claim_at <= :until AND next_claim_at >= :since
ORDER BY next_claim_at ASC
LIMIT :most
FOR UPDATE OF jobs SKIP LOCKED
