-- The same as claim_retries.sql, of each service no more than its share.
UPDATE runs
SET retry_at = NULL, held_by = :dispatcher_id
WHERE (service_id, job_id, scheduled_for, generation) IN (
    SELECT service_id, job_id, scheduled_for, generation
    FROM unnest(:service_ids::uuid[], :shares::int[]) AS share (of_service, most)
    CROSS JOIN LATERAL (
        SELECT service_id, job_id, scheduled_for, generation FROM runs
        WHERE runs.service_id = share.of_service
            AND retry_at <= :until AND (retry_at = due_at OR retry_at <= :deferred_until)
        ORDER BY retry_at
        LIMIT share.most
        FOR UPDATE SKIP LOCKED
    ) AS due
)
RETURNING service_id, id, due_at
