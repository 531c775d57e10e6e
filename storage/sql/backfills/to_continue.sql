-- Locks backfills that are to go on, those due first first.
SELECT backfills.*, jobs.schedule,
    \ir ../calendars/of_job.sql
    AS calendars
FROM backfills
JOIN jobs ON jobs.service_id = backfills.service_id AND jobs.id = backfills.job_id
WHERE continue_at <= :now
ORDER BY continue_at
LIMIT :most
FOR UPDATE OF backfills SKIP LOCKED
