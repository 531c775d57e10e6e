-- Locks stale jobs in the order of their ids.
SELECT
    \ir job_columns.sql
FROM jobs
WHERE
    \ir stale.sql
    AND (:done_to::uuid IS NULL OR id > :done_to)
ORDER BY id LIMIT :most
FOR UPDATE SKIP LOCKED
