-- Notes that runs were replayed.
UPDATE runs SET replayed = true
FROM unnest(:job_ids::uuid[], :fire_times::timestamptz[], :run_ids::uuid[])
    AS old (job_id, scheduled_for, id)
WHERE runs.service_id = :service_id AND runs.job_id = old.job_id
    AND runs.scheduled_for = old.scheduled_for AND runs.id = old.id
