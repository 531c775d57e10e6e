-- Writes the runs of fire times. One that is there already was written by an earlier claim: it
-- stays as it is.
INSERT INTO runs (service_id, job_id, scheduled_for, id, due_at, overlap, utc_offset, trigger,
    state, open, attempt_count, held_by)
SELECT service_id, job_id, scheduled_for, id, due_at, overlap, utc_offset, 'schedule',
    'scheduled', true, 0, :dispatcher_id
FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :fire_times::timestamptz[], :run_ids::uuid[],
    :due_at::timestamptz[], :overlaps::text[], :utc_offsets::int[])
    AS fire (service_id, job_id, scheduled_for, id, due_at, overlap, utc_offset)
ON CONFLICT DO NOTHING
