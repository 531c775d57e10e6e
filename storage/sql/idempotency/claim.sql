-- Claims a key. Who comes second waits for the first's transaction to end, but not for long; what
-- the command waits for afterwards is none of this.
WITH before AS MATERIALIZED (
    SELECT current_setting('lock_timeout') AS lock_timeout
), claimed AS (
    INSERT INTO idempotency_keys AS known (service_id, route, key, fingerprint, claimed_at)
    SELECT :service_id, :route, :key, :fingerprint, :at
    FROM before CROSS JOIN LATERAL set_config(
        'lock_timeout', CASE WHEN before.lock_timeout IS NOT NULL THEN :wait END, true
    )
    ON CONFLICT (service_id, route, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, claimed_at = excluded.claimed_at
    WHERE known.claimed_at <= :free_from
    RETURNING known.key
)
SELECT set_config('lock_timeout', before.lock_timeout, true) FROM claimed CROSS JOIN before
