-- What became of a job's fire times, oldest first. A run that was cancelled before it began is a
-- fire time that did not run.
SELECT * FROM (
    (SELECT scheduled_for AS first, scheduled_for AS last, CASE
            WHEN state IN ('skipped_overlap', 'missed') THEN state
            WHEN state = 'cancelled' AND attempt_count = 0 THEN 'cancelled'
            ELSE 'run' END AS outcome, id AS run_id, 1 AS count, NULL AS told
    FROM runs
    WHERE service_id = :service_id AND job_id = :job_id AND trigger = 'schedule'
        AND scheduled_for > :after AND scheduled_for < :end AND scheduled_for >= :start
    ORDER BY scheduled_for LIMIT :limit)
    UNION ALL
    (SELECT first, last, outcome, NULL, count, CASE WHEN last = 'infinity' THEN ARRAY(
            SELECT scheduled_for FROM runs
            WHERE runs.service_id = :service_id AND runs.job_id = :job_id
                AND trigger = 'schedule' AND scheduled_for >= ledger.first) END
    FROM ledger
    WHERE service_id = :service_id AND job_id = :job_id
        AND (first > :after OR last = 'infinity') AND first < :end AND last >= :start
    ORDER BY first LIMIT :limit + 1)
) AS entry
ORDER BY first
LIMIT :limit + 1
