-- Touches the row of a process. The clock's offset is that of the last beat: what this one measures
-- is known when it is answered.
INSERT INTO workers (id, kind, host, pid, started_at, clock_offset_ms, tzdata, heartbeat_at)
VALUES (:process_id, :kind, :host, :pid, :started_at, :clock_offset_ms, :tzdata,
    clock_timestamp())
ON CONFLICT (id) DO UPDATE
SET heartbeat_at = excluded.heartbeat_at, clock_offset_ms = excluded.clock_offset_ms
RETURNING clock_timestamp()
