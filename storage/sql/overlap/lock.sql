SELECT run_id, scheduled_for FROM turns
WHERE service_id = :service_id AND job_id = :job_id FOR UPDATE
