-- Ends runs as missed that would begin later than their jobs' catch-up windows allow.
--
-- What has its job's overlap lock waited for it, by its own policy; what was deferred waited for its
-- target (defer.sql), which it does for so long and no longer.
WITH wanted AS MATERIALIZED (
    SELECT *
    FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :fire_times::timestamptz[],
        :run_ids::uuid[], :due_at::timestamptz[], :reasons::text[])
        AS run (service_id, job_id, scheduled_for, id, due_at, reason)
), ended_runs AS (
    UPDATE runs
    SET state = 'missed', open = false, held_by = NULL, finished_at = :now, reason = wanted.reason
    FROM wanted
    WHERE
        \ir by_key.sql
        AND runs.held_by = :worker_id AND runs.due_at = wanted.due_at
        AND runs.state = 'queued' AND runs.attempt_count = 0 AND runs.trigger = 'schedule'
        AND (runs.attempt_started_at IS NULL OR runs.due_at < :deferred_before)
        AND NOT EXISTS (
            SELECT FROM turns
            WHERE turns.service_id = wanted.service_id AND turns.job_id = wanted.job_id
                AND turns.run_id = wanted.id
        )
    RETURNING
        \ir ../events/ended_columns.sql
        , runs.id, runs.scheduled_for
), event AS (
    \ir ../events/write.sql
)
SELECT service_id, job_id, id, scheduled_for FROM ended_runs
