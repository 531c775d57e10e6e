-- The runs that wait for a job's overlap lock, the first first.
SELECT id, scheduled_for, due_at, overlap FROM runs
WHERE service_id = :service_id AND job_id = :job_id AND buffered ORDER BY due_at, id LIMIT :most
