-- Locks jobs that are on time, in the order in which they fall due. Those that are late have a
-- statement of their own (late_jobs.sql), so that what is on time never waits behind them.
SELECT
    \ir due_job_columns.sql
FROM jobs
WHERE next_claim_at <= :until AND next_claim_at >= :since
ORDER BY next_claim_at ASC
LIMIT :most
FOR UPDATE OF jobs SKIP LOCKED
