-- Ends what waits for a job's overlap lock, and the run that has it if that does not ring; all but
-- one.
WITH ended_runs AS (
    UPDATE runs
    SET state = 'cancelled', open = false, buffered = false, held_by = NULL, retry_at = NULL,
        finished_at = :now, reason = :reason
    WHERE service_id = :service_id AND job_id = :job_id AND (buffered OR id = :holder_id) AND open
        AND state <> 'running' AND id <> :run_id
    RETURNING
    \ir ../events/ended_columns.sql
)
\ir ../events/write.sql
