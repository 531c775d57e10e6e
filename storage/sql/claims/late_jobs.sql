-- Locks jobs that are late. The newest comes first: the older it is, the less it matters how much
-- older it gets.
SELECT
    \ir due_job_columns.sql
FROM jobs
WHERE next_claim_at <= :until AND next_claim_at >= :since
ORDER BY next_claim_at DESC
LIMIT :most
FOR UPDATE OF jobs SKIP LOCKED
