-- How many jobs of each service are due: as many as one claim takes, more need not be told apart.
SELECT services.id AS service_id, due.count
FROM services CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM (
        SELECT FROM jobs
        WHERE jobs.service_id = services.id
            AND next_claim_at <= :until AND next_claim_at >= :since
        LIMIT :most
    ) AS first
) AS due
WHERE due.count > 0
