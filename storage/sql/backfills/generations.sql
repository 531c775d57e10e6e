-- The latest generation of each fire time.
SELECT wanted.job_id, wanted.scheduled_for, (
    SELECT coalesce(max(generation), 0) FROM runs
    WHERE runs.service_id = :service_id AND runs.job_id = wanted.job_id
        AND runs.scheduled_for = wanted.scheduled_for
) AS generation
FROM unnest(:job_ids::uuid[], :fire_times::timestamptz[]) AS wanted (job_id, scheduled_for)
