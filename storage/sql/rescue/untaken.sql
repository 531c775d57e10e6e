-- Due runs that no worker has taken. While workers are behind, dispatchers keep runs in hand that are
-- long due: those are not lost. Each dispatcher knows its own, and of another whether it beats.
SELECT service_id, id
FROM runs
WHERE open AND state IN ('scheduled', 'retrying') AND retry_at IS NULL AND due_at < :due_before
    AND NOT buffered
    AND (NOT :behind::boolean OR held_by IS NULL OR held_by = :process_id
        OR NOT EXISTS (
            SELECT FROM workers WHERE workers.id = held_by AND
                \ir ../processes/beats.sql
        ))
ORDER BY due_at
LIMIT :most
