-- Writes further runs of fire times; one whose generation is taken meanwhile is not written.
INSERT INTO runs (service_id, job_id, scheduled_for, generation, id, due_at, overlap, trigger,
    state, open, attempt_count, backfill_id, utc_offset)
SELECT :service_id, job_id, scheduled_for, generation, id, due_at, overlap, :trigger, 'scheduled',
    true, 0, :backfill_id, utc_offset
FROM unnest(:job_ids::uuid[], :fire_times::timestamptz[], :generations::smallint[],
    :run_ids::uuid[], :due_at::timestamptz[], :overlaps::text[], :utc_offsets::int[])
    AS wanted (job_id, scheduled_for, generation, id, due_at, overlap, utc_offset)
ON CONFLICT DO NOTHING
RETURNING id
