-- Notes which jobs have been looked at.
UPDATE calendar_changes SET done_to = :done_to, continue_at = :continue_at
WHERE service_id = :service_id AND id = :change_id
