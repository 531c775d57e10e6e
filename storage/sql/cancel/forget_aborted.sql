-- Forgets about ended runs of workers that are no more: nobody is left to cut them off. Partial
-- indexes hold the few such runs, so a look costs next to nothing.
UPDATE runs SET abort = false, held_by = NULL
WHERE (service_id, job_id, scheduled_for, generation) IN (
    SELECT service_id, job_id, scheduled_for, generation
    FROM runs
    WHERE abort AND NOT open
        AND NOT EXISTS (
            SELECT FROM workers WHERE workers.id = held_by AND
                \ir ../processes/beats.sql
        )
    FOR UPDATE SKIP LOCKED
)
