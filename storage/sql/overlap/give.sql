-- Gives a job's locked overlap lock to a run.
UPDATE turns SET run_id = :run_id, scheduled_for = :scheduled_for, contended = :contended
WHERE service_id = :service_id AND job_id = :job_id
