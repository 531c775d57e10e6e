-- Asks a run that rings to end. First whoever rings, then whoever does not (end_idle.sql): of what
-- has the overlap lock, only the former can become the latter meanwhile, as a run begins under that
-- lock.
UPDATE runs SET abort = true, reason = :reason
WHERE service_id = :service_id AND job_id = :job_id AND scheduled_for = :scheduled_for
    AND id = :run_id AND state = 'running'
RETURNING id
