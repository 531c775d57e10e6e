-- Of runs that a worker forgot, those that still ring as they did.
SELECT runs.service_id, runs.job_id, runs.id, runs.scheduled_for, runs.held_by,
    runs.attempt_count, runs.attempt_started_at, runs.started_at, jobs.retry
FROM unnest(:service_ids::uuid[], :run_ids::uuid[], :attempt_counts::smallint[])
    AS owned (service_id, id, attempt_count)
JOIN runs ON runs.service_id = owned.service_id AND runs.id = owned.id
    AND runs.attempt_count = owned.attempt_count
LEFT JOIN jobs ON jobs.service_id = runs.service_id AND jobs.id = runs.job_id
WHERE runs.held_by = :worker_id AND runs.state = 'running'
