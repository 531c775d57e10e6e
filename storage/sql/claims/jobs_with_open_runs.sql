-- Which jobs have runs of their schedules that are not over.
SELECT job.id
FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :since::timestamptz[])
    AS job (service_id, id, since)
WHERE EXISTS (
    SELECT FROM runs
    WHERE runs.service_id = job.service_id AND runs.job_id = job.id AND open
        AND runs.scheduled_for > job.since AND runs.trigger = 'schedule'
)
