-- Keeps the answer under a claimed key, and forgets some that were kept long enough.
WITH forgotten AS (
    DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM idempotency_keys WHERE claimed_at <= :free_from
        ORDER BY claimed_at LIMIT :forgotten_at_once FOR UPDATE SKIP LOCKED
    ))
)
UPDATE idempotency_keys SET status = :status, headers = :headers, body = :body
WHERE service_id = :service_id AND route = :route AND key = :key
