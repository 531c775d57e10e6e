-- Defers runs whose target cannot be rung now: a dispatcher claims them again when it may be.
--
-- They have not begun: no attempt is counted, and `due_at`, from which lateness counts, stays. That
-- they could have begun stays, too: what waits for its target is not missed (miss.sql).
UPDATE runs
SET state = CASE attempt_count WHEN 0 THEN 'scheduled' ELSE 'retrying' END, held_by = NULL,
    retry_at = wanted.until, attempt_started_at = coalesce(attempt_started_at, clock_timestamp())
FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :fire_times::timestamptz[], :run_ids::uuid[],
    :due_at::timestamptz[], :until::timestamptz[])
    AS wanted (service_id, job_id, scheduled_for, id, due_at, until)
WHERE
    \ir by_key.sql
    AND runs.held_by = :worker_id AND runs.state = 'queued' AND runs.due_at = wanted.due_at
RETURNING runs.id
