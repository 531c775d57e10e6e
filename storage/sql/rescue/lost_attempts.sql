-- Runs that rang in workers which do not beat any more.
SELECT runs.service_id, runs.job_id, runs.id, runs.scheduled_for, runs.held_by,
    runs.attempt_count, runs.attempt_started_at, runs.started_at, jobs.retry,
    EXISTS (
        SELECT FROM attempts
        WHERE attempts.service_id = runs.service_id AND attempts.run_id = runs.id
            AND attempts.scheduled_for = runs.scheduled_for
            AND attempts.number = runs.attempt_count - 1 AND attempts.outcome = 'abandoned'
    ) AS lost_before
FROM runs
LEFT JOIN jobs ON jobs.service_id = runs.service_id AND jobs.id = runs.job_id
WHERE runs.open AND runs.state = 'running'
    AND NOT EXISTS (
        SELECT FROM workers WHERE workers.id = held_by AND
            \ir ../processes/beats.sql
    )
ORDER BY runs.due_at
LIMIT :most
