-- The key of the last of the next runs of a service.
SELECT job_id, scheduled_for, generation FROM runs
WHERE service_id = :service_id
    AND (job_id, scheduled_for, generation) > (:job_id, :fire_time, :generation)
ORDER BY job_id, scheduled_for, generation
LIMIT 1 OFFSET :skipped
