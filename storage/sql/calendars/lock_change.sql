-- Locks a change, unless others are at it.
SELECT service_id, id, name, done_to FROM calendar_changes
WHERE service_id = :service_id AND id = :change_id FOR UPDATE SKIP LOCKED
