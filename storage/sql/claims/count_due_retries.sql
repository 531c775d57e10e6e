-- How many retries of each service are due. From one service that has retries to the next: few have,
-- and each partition has its own index.
WITH RECURSIVE known AS (
    (SELECT service_id FROM runs WHERE retry_at IS NOT NULL ORDER BY service_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT runs.service_id FROM runs
        WHERE retry_at IS NOT NULL AND runs.service_id > known.service_id
        ORDER BY runs.service_id LIMIT 1
    )
    FROM known WHERE known.service_id IS NOT NULL
)
SELECT known.service_id, due.count
FROM known CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM (
        SELECT FROM runs
        WHERE runs.service_id = known.service_id
            AND retry_at <= :until AND (retry_at = due_at OR retry_at <= :deferred_until)
        LIMIT :most
    ) AS first
) AS due
WHERE due.count > 0
