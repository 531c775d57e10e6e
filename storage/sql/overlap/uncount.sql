-- Takes runs off the number that a job has had.
UPDATE jobs
SET run_count = greatest(run_count - :count, 0), next_fire_for = :next_fire_for,
    next_claim_at = :next_claim_at
WHERE service_id = :service_id AND id = :job_id
