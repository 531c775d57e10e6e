-- Whether so many runs in workers' hands are late.
SELECT count(*) >= :many FROM (
    SELECT FROM runs WHERE open AND state = 'queued' AND due_at < :due_before LIMIT :many
) AS late
