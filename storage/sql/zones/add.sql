INSERT INTO zone_tables (version, settled_from)
VALUES (:version, statement_timestamp() + :settle::interval)
ON CONFLICT DO NOTHING
