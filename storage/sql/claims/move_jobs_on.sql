-- Moves claimed jobs on to their next fire times. unnest() would flatten an array of arrays, so each
-- `claimed_for` comes as Postgres writes it.
UPDATE jobs
SET next_fire_for = moved.next_fire_for, next_claim_at = moved.next_claim_at,
    accounted_to = moved.accounted_to, claimed_for = moved.claimed_for::timestamptz[],
    run_count = moved.run_count
FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :next_fire_for::timestamptz[],
    :next_claim_at::timestamptz[], :accounted_to::timestamptz[], :claimed_for::text[],
    :run_counts::int[])
    AS moved (service_id, id, next_fire_for, next_claim_at, accounted_to, claimed_for, run_count)
WHERE jobs.service_id = moved.service_id AND jobs.id = moved.id
