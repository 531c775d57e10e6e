-- It has not lapsed, at the instant at which the statement came: while it waits, nobody grows older.
workers.heartbeat_at >= statement_timestamp() - :lapse
