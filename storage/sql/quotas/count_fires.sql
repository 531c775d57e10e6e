-- Counts runs by service and minute, in one order, so that two dispatchers cannot wait for each
-- other.
INSERT INTO fire_counts (service_id, minute, count)
SELECT * FROM unnest(:service_ids::uuid[], :minutes::timestamptz[], :counts::int[])
    AS wanted (service_id, minute, count)
ORDER BY service_id, minute
ON CONFLICT (service_id, minute) DO UPDATE SET count = fire_counts.count + excluded.count
RETURNING service_id, minute, count
