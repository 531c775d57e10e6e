-- Writes compact sketches of buckets of jobs.
UPDATE job_stats
SET lateness = compact.lateness, duration = compact.duration,
    overlap_wait = compact.overlap_wait, loose = 0
FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :starts::timestamptz[], :latenesses::bytea[],
    :durations::bytea[], :overlap_waits::bytea[])
    AS compact (service_id, job_id, day, lateness, duration, overlap_wait)
WHERE (job_stats.service_id, job_stats.job_id, job_stats.day)
    = (compact.service_id, compact.job_id, compact.day)
