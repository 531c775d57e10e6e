-- Ends a job's open runs that do not ring: all, or those of one backfill.
WITH ended_runs AS (
    UPDATE runs
    SET state = 'cancelled', open = false, buffered = false, held_by = NULL, retry_at = NULL,
        finished_at = :now, reason = :reason
    WHERE service_id = :service_id AND job_id = :job_id AND open AND state <> 'running'
        AND (:backfill_id::uuid IS NULL OR backfill_id = :backfill_id)
    RETURNING
    \ir ../events/ended_columns.sql
)
\ir ../events/write.sql
