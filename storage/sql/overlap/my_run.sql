-- Locks a run that could not begin, if its worker still owns it. It may have begun already, if the
-- answer to that was lost; then it is begun again, and rings.
SELECT overlap, trigger, state FROM runs
WHERE service_id = :service_id AND id = :run_id AND scheduled_for = :scheduled_for
    AND held_by = :worker_id AND due_at = :due_at
    AND (state = 'queued' AND attempt_count = :number - 1
        OR state = 'running' AND attempt_count = :number)
FOR UPDATE
