-- Removes processes that have not beaten for so long, and own nothing.
DELETE FROM workers WHERE heartbeat_at < statement_timestamp() - :after::interval
    AND NOT EXISTS (SELECT FROM runs WHERE open AND held_by = workers.id)
