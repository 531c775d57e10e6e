-- How many runs ring for longer than their target's time-out lets an attempt take. The target of a
-- job that was deleted meanwhile is not known: the longest time-out is taken.
SELECT count(*)
FROM (
    SELECT service_id, job_id, state, attempt_started_at FROM runs
    WHERE open AND due_at <= :before ORDER BY due_at LIMIT :looked_at
) AS oldest
LEFT JOIN jobs ON jobs.service_id = oldest.service_id AND jobs.id = oldest.job_id
WHERE oldest.state = 'running' AND oldest.attempt_started_at <= :before
    AND oldest.attempt_started_at
        <= :before - coalesce((jobs.target->>'timeout')::interval, interval '30 minutes')
