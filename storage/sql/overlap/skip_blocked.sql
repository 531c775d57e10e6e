-- Ends runs that could not begin while another run of their job is open, and whose overlap policy is
-- `skip`: all of a batch at once. What is not returned is decided on its own (resolve_overlap.py).
--
-- Where the job's overlap lock passes on meanwhile, nothing is lost: that another run was open when
-- this statement came is what the policy asks. A job that somebody changes, or that has a number of
-- runs, towards which a skipped one does not count, is left out.
WITH wanted AS MATERIALIZED (
    SELECT *
    FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :fire_times::timestamptz[],
        :run_ids::uuid[], :numbers::smallint[], :due_at::timestamptz[])
        AS run (service_id, job_id, scheduled_for, id, number, due_at)
), plain_job AS MATERIALIZED (
    SELECT service_id, id FROM jobs
    WHERE (service_id, id) IN (SELECT service_id, job_id FROM wanted) AND run_count = 0
    FOR UPDATE OF jobs SKIP LOCKED
), ended_runs AS (
    UPDATE runs
    SET state = 'skipped_overlap', open = false, held_by = NULL, finished_at = :now,
        reason = :reason
    FROM wanted
    WHERE
        \ir ../attempts/by_key.sql
        AND runs.held_by = :worker_id AND runs.due_at = wanted.due_at
        AND runs.state = 'queued' AND runs.attempt_count = wanted.number - 1
        AND runs.overlap = 'skip'
        AND (wanted.service_id, wanted.job_id) IN (SELECT service_id, id FROM plain_job)
        -- Both are asked for as values: the other run is then looked up by its key, in its day.
        AND (
            SELECT (
                SELECT other.open FROM runs AS other
                WHERE other.service_id = turns.service_id AND other.job_id = turns.job_id
                    AND other.scheduled_for = turns.scheduled_for AND other.id = turns.run_id
            )
            FROM turns
            WHERE turns.service_id = wanted.service_id AND turns.job_id = wanted.job_id
                AND turns.run_id <> wanted.id
        )
    RETURNING
        \ir ../events/ended_columns.sql
        , runs.id
), event AS (
    \ir ../events/write.sql
)
SELECT id FROM ended_runs
