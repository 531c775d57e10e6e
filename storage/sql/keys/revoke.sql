-- Revokes keys with all that they made. A key may have been made by one that it has since replaced:
-- `UNION` ends circles.
WITH RECURSIVE gone (id) AS (
    SELECT id FROM api_keys WHERE service_id = :service_id AND id = ANY (:ids::uuid[])
    UNION
    SELECT made.id FROM gone JOIN api_keys AS made ON made.made_by = gone.id
    WHERE made.service_id = :service_id
)
UPDATE api_keys SET revoked_at = :now
WHERE service_id = :service_id AND id IN (SELECT id FROM gone) AND revoked_at IS NULL
RETURNING id
