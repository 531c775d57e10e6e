-- Ends a run that rings, at once. The attempt goes to the record here; what the worker says of it
-- later is fenced off.
WITH ended_runs AS (
    UPDATE runs
    SET state = 'cancelled', open = false, abort = true,
        finished_at = greatest(:now, attempt_started_at), reason = :reason,
        started_at = coalesce(started_at, attempt_started_at),
        -- The wait for the overlap lock is no lateness.
        lateness_ms = coalesce(lateness_ms, greatest(
            extract(epoch FROM attempt_started_at - runs.due_at) * 1000
            - coalesce(runs.overlap_wait_ms, 0), 0))
    WHERE service_id = :service_id AND id = :run_id AND scheduled_for = :scheduled_for
        AND state = 'running'
    RETURNING
        \ir ../events/ended_columns.sql
        , id, attempt_count, scheduled_for, attempt_started_at
), event AS (
    \ir ../events/write.sql
)
INSERT INTO attempts (service_id, run_id, number, scheduled_for, started_at, finished_at, outcome,
    error)
SELECT service_id, id, attempt_count, scheduled_for, attempt_started_at, finished_at,
    'abandoned', :reason
FROM ended_runs
ON CONFLICT DO NOTHING
RETURNING run_id
