-- Frees runs that waited in workers which do not beat any more.
UPDATE runs
SET state = CASE attempt_count WHEN 0 THEN 'scheduled' ELSE 'retrying' END, held_by = NULL
WHERE (service_id, job_id, scheduled_for, generation) IN (
    SELECT service_id, job_id, scheduled_for, generation
    FROM runs
    WHERE open AND state = 'queued'
        AND NOT EXISTS (
            SELECT FROM workers WHERE workers.id = held_by AND
                \ir ../processes/beats.sql
        )
    ORDER BY due_at
    LIMIT :most
    FOR UPDATE SKIP LOCKED
) AND state = 'queued'
RETURNING service_id, id
