-- Locks a job's row, which every command on the job locks first.
SELECT id, schedule, paused, run_count, next_fire_for, accounted_to,
    \ir ../calendars/of_job.sql
    AS calendars
FROM jobs WHERE service_id = :service_id AND id = :job_id FOR UPDATE OF jobs
