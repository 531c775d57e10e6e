-- Forgets overlap locks of runs that may be gone: those must not keep them. Where runs wait, the
-- sweep that passes locks on must find the row: without it they wait for ever.
DELETE FROM turns
WHERE scheduled_for < :before AND NOT contended AND NOT EXISTS (
    SELECT FROM runs
    WHERE runs.service_id = turns.service_id AND runs.job_id = turns.job_id
        AND runs.scheduled_for = turns.scheduled_for AND runs.id = turns.run_id AND runs.open
)
