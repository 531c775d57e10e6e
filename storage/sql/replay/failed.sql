-- Locks failed runs of which no replay was made yet, oldest first, if their job is still there.
SELECT job_id, scheduled_for, id, utc_offset FROM runs
WHERE service_id = :service_id AND failed AND NOT replayed
    AND (:job_id::uuid IS NULL OR job_id = :job_id)
    AND (:since::timestamptz IS NULL OR scheduled_for >= :since)
    AND (:before::timestamptz IS NULL OR scheduled_for < :before)
    AND (:trigger::text IS NULL OR trigger = :trigger)
    AND NOT (scheduled_for >= :expires_from AND scheduled_for < :expires_until)
    AND EXISTS (SELECT FROM jobs WHERE jobs.service_id = :service_id AND jobs.id = runs.job_id)
ORDER BY id
LIMIT :most
FOR UPDATE SKIP LOCKED
