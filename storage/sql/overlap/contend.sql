-- Says whether runs wait for a job's overlap lock.
UPDATE turns SET contended = :contended WHERE service_id = :service_id AND job_id = :job_id
