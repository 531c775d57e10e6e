-- The fire times behind what jobs are accounted for that have their runs already.
SELECT job_id, ARRAY(
    SELECT scheduled_for FROM runs
    WHERE runs.service_id = job.service_id AND runs.job_id = job.job_id
        AND runs.scheduled_for > job.accounted_to AND runs.trigger = 'schedule'
) AS instants
FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :accounted_to::timestamptz[])
    AS job (service_id, job_id, accounted_to)
