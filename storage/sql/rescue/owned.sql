-- The runs that a worker owns, whether it knows of them or not: of those that are open and due, the
-- oldest are looked at.
SELECT service_id, id, state, attempt_count
FROM (
    SELECT service_id, id, state, attempt_count, held_by FROM runs
    WHERE open AND due_at < :due_before ORDER BY due_at LIMIT :looked_at
) AS oldest
WHERE held_by = :worker_id AND state IN ('queued', 'running')
