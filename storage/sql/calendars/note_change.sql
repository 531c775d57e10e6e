-- Keeps what a calendar held before a change.
INSERT INTO calendar_changes (service_id, name, at, exclude, continue_at)
VALUES (:service_id, :name, :at, :exclude::text::json, :at) RETURNING id
