-- Which fire times have a run that succeeded, or is open: that may still succeed.
SELECT DISTINCT scheduled_for FROM runs
WHERE service_id = :service_id AND job_id = :job_id
    AND scheduled_for = ANY (:fire_times::timestamptz[]) AND (open OR state = 'succeeded')
