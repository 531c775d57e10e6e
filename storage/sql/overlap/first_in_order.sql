-- Which of a job's open runs of `buffer_all` was due first.
SELECT id FROM runs
WHERE service_id = :service_id AND job_id = :job_id AND open AND overlap = 'buffer_all'
ORDER BY due_at, id LIMIT 1
