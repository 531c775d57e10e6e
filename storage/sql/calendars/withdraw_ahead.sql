-- Undoes what was claimed ahead of locked jobs. A run that begins at this moment is left alone: the
-- look that follows finds it begun, or not.
WITH gone AS (
    DELETE FROM runs WHERE (service_id, job_id, scheduled_for, generation) IN (
        SELECT runs.service_id, runs.job_id, runs.scheduled_for, runs.generation
        FROM unnest(:job_ids::uuid[]) AS job (id) JOIN runs ON runs.job_id = job.id
        WHERE
            \ir ahead.sql
        FOR UPDATE OF runs SKIP LOCKED
    )
    RETURNING job_id, scheduled_for, due_at
), first AS (
    SELECT job_id, min(scheduled_for) AS scheduled_for, min(due_at) AS due_at,
        count(*)::int AS count
    FROM gone GROUP BY job_id
)
UPDATE jobs
SET next_fire_for = first.scheduled_for, next_claim_at = first.due_at,
    accounted_to = first.scheduled_for - interval '1 microsecond',
    run_count = greatest(run_count - first.count, 0),
    claimed_for = ARRAY(
        SELECT instant FROM unnest(claimed_for) AS instant WHERE instant < first.scheduled_for
    )
FROM first
WHERE jobs.service_id = :service_id AND jobs.id = first.job_id
