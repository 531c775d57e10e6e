-- Which runs are still as their owner knows them; it waits for nobody.
SELECT runs.id
FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :fire_times::timestamptz[], :run_ids::uuid[],
    :owners::uuid[], :states::text[], :attempt_counts::smallint[], :due_at::timestamptz[])
    AS wanted (service_id, job_id, scheduled_for, id, owned_by, state, attempt_count, due_at)
JOIN runs ON
    \ir by_key.sql
    AND runs.held_by = wanted.owned_by AND runs.state = wanted.state
    AND runs.attempt_count = wanted.attempt_count
    AND (wanted.due_at IS NULL OR runs.due_at = wanted.due_at)
