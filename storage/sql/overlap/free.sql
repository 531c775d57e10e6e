-- Overlap locks that nobody uses though runs wait for them. Where the first run in order is still on
-- its way, nothing is passed on: where many wait so, the others must be found all the same. Only of
-- `buffer_all` there may be runs that wait for that.
SELECT service_id, job_id FROM turns
WHERE contended AND NOT EXISTS (
    SELECT FROM runs
    WHERE runs.service_id = turns.service_id AND runs.job_id = turns.job_id
        AND runs.scheduled_for = turns.scheduled_for AND runs.id = turns.run_id AND runs.open
) AND (
    SELECT overlap <> 'buffer_all' OR id = (
        SELECT first.id FROM runs AS first
        WHERE first.service_id = turns.service_id AND first.job_id = turns.job_id
            AND first.open AND first.overlap = 'buffer_all'
        ORDER BY first.due_at, first.id LIMIT 1
    )
    FROM runs
    WHERE runs.service_id = turns.service_id AND runs.job_id = turns.job_id AND buffered
    ORDER BY due_at, id LIMIT 1
) IS NOT FALSE
LIMIT :most
