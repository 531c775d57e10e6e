-- The same as due_jobs.sql, of each service no more than its share.
SELECT due.*
FROM unnest(:service_ids::uuid[], :shares::int[]) AS share (of_service, most)
CROSS JOIN LATERAL (
    SELECT
        \ir due_job_columns.sql
    FROM jobs
    WHERE jobs.service_id = share.of_service
        AND next_claim_at <= :until AND next_claim_at >= :since
    ORDER BY next_claim_at ASC
    LIMIT share.most
    FOR UPDATE OF jobs SKIP LOCKED
) AS due
