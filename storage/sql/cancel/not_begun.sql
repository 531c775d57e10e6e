-- Ends runs that do not ring.
WITH ended_runs AS (
    UPDATE runs
    SET state = 'cancelled', open = false, buffered = false, held_by = NULL, retry_at = NULL,
        finished_at = :now, reason = :reason
    FROM unnest(:run_ids::uuid[], :fire_times::timestamptz[]) AS waiting (id, scheduled_for)
    WHERE runs.service_id = :service_id AND runs.id = waiting.id
        AND runs.scheduled_for = waiting.scheduled_for
        AND runs.scheduled_for BETWEEN :first AND :last AND open AND state <> 'running'
    RETURNING
    \ir ../events/ended_columns.sql
)
\ir ../events/write.sql
