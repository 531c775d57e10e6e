-- The changes of some calendars behind one.
SELECT id, name, at, exclude::text FROM calendar_changes
WHERE service_id = :service_id AND name = ANY (:names) AND id > :after ORDER BY id
