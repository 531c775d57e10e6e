-- Records attempts that ended, and with them their runs, or when the next attempt is due.
--
-- Fenced by owner and attempt number: a late worker changes nothing, and records nothing. A run that
-- was asked to end does so, unless its target had taken the ring by then.
WITH wanted AS (
    SELECT *
    FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :run_ids::uuid[],
        :fire_times::timestamptz[], :owners::uuid[], :numbers::smallint[],
        :started_at::timestamptz[], :finished_at::timestamptz[], :outcomes::text[],
        :status_codes::smallint[], :errors::text[], :response_excerpts::text[], :states::text[],
        :retry_at::timestamptz[])
        AS attempt (service_id, job_id, id, scheduled_for, owned_by, number, started_at,
            finished_at, outcome, status_code, error, response_excerpt, run_state, retry_at)
), ended_runs AS (
    UPDATE runs
    SET state = CASE WHEN runs.abort AND wanted.run_state <> 'succeeded' THEN 'cancelled'
            ELSE wanted.run_state END,
        open = wanted.retry_at IS NOT NULL
            AND NOT (runs.abort AND wanted.run_state <> 'succeeded'),
        failed = wanted.run_state = 'failed'
            AND NOT (runs.abort AND wanted.run_state <> 'succeeded'),
        retry_at = CASE WHEN NOT (runs.abort AND wanted.run_state <> 'succeeded')
            THEN wanted.retry_at END,
        due_at = CASE WHEN wanted.retry_at IS NULL
                OR (runs.abort AND wanted.run_state <> 'succeeded') THEN runs.due_at
            ELSE wanted.retry_at END,
        held_by = NULL,
        abort = false,
        reason = CASE WHEN (runs.abort AND wanted.run_state <> 'succeeded') THEN runs.reason END,
        started_at = coalesce(runs.started_at, greatest(wanted.started_at, runs.due_at)),
        -- The wait for the overlap lock is no lateness.
        lateness_ms = coalesce(runs.lateness_ms, greatest(
            extract(epoch FROM wanted.started_at - runs.due_at) * 1000
            - coalesce(runs.overlap_wait_ms, 0), 0)),
        finished_at = CASE WHEN wanted.retry_at IS NULL
                OR (runs.abort AND wanted.run_state <> 'succeeded') THEN wanted.finished_at END
    FROM wanted
    WHERE
        \ir by_key.sql
        AND runs.state = 'running' AND runs.attempt_count = wanted.number
        AND runs.held_by = wanted.owned_by
    RETURNING wanted.*, runs.state, runs.lateness_ms, runs.overlap_wait_ms,
        \ir ../events/duration_ms.sql
        AS duration_ms
), recorded AS (
    INSERT INTO attempts (service_id, run_id, number, scheduled_for, started_at, finished_at,
        outcome, status_code, error, response_excerpt)
    SELECT service_id, id, number, scheduled_for, started_at, finished_at, outcome, status_code,
        error, response_excerpt
    FROM ended_runs
), event AS (
    \ir ../events/write.sql
)
SELECT id AS run_id, state, service_id, job_id, EXISTS (
    SELECT FROM turns
    WHERE turns.service_id = ended_runs.service_id AND turns.job_id = ended_runs.job_id
        AND contended
) AS contended
FROM ended_runs
