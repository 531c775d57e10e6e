SELECT id, count FROM run_events ORDER BY id LIMIT :most
