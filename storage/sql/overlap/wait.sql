-- Has a run wait for its job's overlap lock.
UPDATE runs SET state = 'scheduled', buffered = true, held_by = NULL
WHERE service_id = :service_id AND id = :run_id AND scheduled_for = :scheduled_for
