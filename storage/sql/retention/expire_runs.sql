-- Runs that no daily partition was there for, such as those of old backfills, have fire times of long
-- ago, and are kept from their end on.
DELETE FROM runs_default
WHERE scheduled_for < :before AND NOT open AND finished_at < :before
