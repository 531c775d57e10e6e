-- Writes compact sketches of buckets of services.
UPDATE service_stats
SET lateness = compact.lateness, duration = compact.duration,
    overlap_wait = compact.overlap_wait, loose = 0
FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :starts::timestamptz[], :latenesses::bytea[],
    :durations::bytea[], :overlap_waits::bytea[])
    AS compact (service_id, job_id, hour, lateness, duration, overlap_wait)
WHERE (service_stats.service_id, service_stats.hour)
    = (compact.service_id, compact.hour)
