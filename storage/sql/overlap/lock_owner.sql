-- The open run that has a job's overlap lock. With that row locked, a statement of its own sees all
-- that was committed before.
SELECT id, scheduled_for, generation, state, held_by, attempt_count, attempt_started_at, abort
FROM runs
WHERE service_id = :service_id AND job_id = :job_id AND scheduled_for = :scheduled_for
    AND id = :run_id AND open
