DELETE FROM attempts_default
WHERE scheduled_for < :before AND finished_at < :before AND NOT EXISTS (
    SELECT FROM runs
    WHERE runs.service_id = attempts_default.service_id
        AND runs.scheduled_for = attempts_default.scheduled_for
        AND runs.id = attempts_default.run_id AND runs.open
)
