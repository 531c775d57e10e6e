SELECT *
FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :fire_times::timestamptz[], :run_ids::uuid[],
    :numbers::smallint[], :due_at::timestamptz[], :take_locks::boolean[])
    AS run (service_id, job_id, scheduled_for, id, number, due_at, takes_lock)
