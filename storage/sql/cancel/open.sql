-- Locks open runs that a filter chooses, those due first first.
SELECT id, job_id, scheduled_for, state, open FROM runs
WHERE service_id = :service_id AND open
    AND (:job_id::uuid IS NULL OR job_id = :job_id)
    AND (:since::timestamptz IS NULL OR scheduled_for >= :since)
    AND (:before::timestamptz IS NULL OR scheduled_for < :before)
    AND (:trigger::text IS NULL OR trigger = :trigger)
    AND (:states::text[] IS NULL OR state = ANY (:states))
ORDER BY due_at
LIMIT :most
FOR UPDATE
