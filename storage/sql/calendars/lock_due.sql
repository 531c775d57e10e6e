-- Locks stale jobs that fall due, the first first. Nobody is waited for: what others have in hand is
-- found again before the change is forgotten.
SELECT
    \ir job_columns.sql
FROM jobs
WHERE
    \ir stale.sql
    AND next_claim_at <= :until
ORDER BY next_claim_at LIMIT :most
FOR UPDATE SKIP LOCKED
