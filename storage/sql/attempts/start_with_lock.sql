    FROM wanted
    WHERE takes_lock
    ORDER BY service_id, job_id
    -- A run begins only if it has its job's overlap lock. That row is locked by the upsert, and what
    -- is asked of the run that had it before is whether it is *known to have ended*: of two workers
    -- at once, the second sees at least that the first one's run is open, or does not see it. The
    -- run before is asked for as a value: `EXISTS` may be answered from a table of all ended runs.
    ON CONFLICT (service_id, job_id) DO UPDATE
    SET run_id = excluded.run_id, scheduled_for = excluded.scheduled_for
    WHERE turns.run_id = excluded.run_id
        OR NOT turns.contended AND (
            SELECT NOT before.open FROM runs AS before
            WHERE before.service_id = turns.service_id AND before.job_id = turns.job_id
                AND before.scheduled_for = turns.scheduled_for AND before.id = turns.run_id
        )
    RETURNING run_id
)
-- The overlap lock is locked before the run, as wherever both are. A run that was withdrawn
-- meanwhile gets the lock for nothing; the next one finds that out (resolve_overlap.py). It is
-- begun a moment before it is due, and rings when it is.
UPDATE runs
SET state = 'running', attempt_count = wanted.number,
    attempt_started_at = greatest(:now, wanted.due_at)
FROM wanted
WHERE
    \ir by_key.sql
    AND (NOT wanted.takes_lock OR wanted.id IN (SELECT run_id FROM turn))
    AND runs.held_by = :worker_id AND runs.due_at = wanted.due_at
    -- Asked again after a lost reply, it answers the same.
    AND (runs.state = 'queued' AND runs.attempt_count = wanted.number - 1
        OR runs.state = 'running' AND runs.attempt_count = wanted.number)
RETURNING runs.id
