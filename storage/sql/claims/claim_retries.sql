-- Claims retries that are due, and deferred runs that may ring soon, those due first first.
UPDATE runs
SET retry_at = NULL, held_by = :dispatcher_id
WHERE (service_id, job_id, scheduled_for, generation) IN (
    SELECT service_id, job_id, scheduled_for, generation FROM runs
    WHERE retry_at <= :until AND (retry_at = due_at OR retry_at <= :deferred_until)
    ORDER BY retry_at
    LIMIT :most
    FOR UPDATE SKIP LOCKED
)
RETURNING service_id, id, due_at
