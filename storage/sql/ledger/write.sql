-- Writes what became of fire times that will not run.
INSERT INTO ledger (service_id, job_id, first, last, outcome, count)
SELECT * FROM unnest(:service_ids::uuid[], :job_ids::uuid[], :first::timestamptz[],
    :last::timestamptz[], :outcomes::text[], :counts::int[])
ON CONFLICT DO NOTHING
