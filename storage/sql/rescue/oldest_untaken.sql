-- Since when the oldest claimed run is due that no worker has taken. What a run has waited for its
-- job's overlap lock is none of it.
SELECT min(due_at + interval '1 ms'
    * CASE WHEN attempt_count = 0 THEN coalesce(overlap_wait_ms, 0) ELSE 0 END)
FROM (
    SELECT due_at, state, retry_at, buffered, attempt_count, overlap_wait_ms FROM runs
    WHERE open AND due_at <= :now ORDER BY due_at LIMIT :looked_at
) AS oldest
WHERE state IN ('scheduled', 'retrying') AND retry_at IS NULL AND NOT buffered
