-- Gives runs back that a worker took and has not begun to ring.
UPDATE runs
SET state = CASE attempt_count WHEN 0 THEN 'scheduled' ELSE 'retrying' END, held_by = NULL
FROM unnest(:service_ids::uuid[], :run_ids::uuid[]) AS waiting (service_id, id)
WHERE runs.service_id = waiting.service_id AND runs.id = waiting.id
    AND runs.held_by = :worker_id AND runs.state = 'queued'
RETURNING runs.service_id, runs.id
