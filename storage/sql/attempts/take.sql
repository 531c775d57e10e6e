-- Takes the runs that messages name, for one worker.
--
-- A second message for a run finds it in other hands or further on, and one that comes early must
-- not jump a retry's backoff: both take nothing. What is in this worker's hands already is told
-- again, in case the first reply was lost.
WITH found AS MATERIALIZED (
    SELECT run.*, job.job_name, job.version, job.target, job.retry, job.catchup,
        coalesce(job.bytes, 0) AS bytes, message.room
    FROM unnest(:service_ids::uuid[], :run_ids::uuid[], :service_bytes::bigint[])
        AS message (service_id, id, room)
    -- A message tells no more than a run's id: the rest of its key is the first id of its service
    -- from there on. Only an index in the order of ids can answer that, also on a day so young that
    -- any index of the service looks as good.
    CROSS JOIN LATERAL (
        SELECT service_id, job_id, scheduled_for, id FROM runs
        WHERE runs.service_id = message.service_id
            AND (runs.scheduled_for BETWEEN :first AND :last OR runs.scheduled_for = :first)
            AND runs.id >= message.id
        ORDER BY id LIMIT 1
    ) AS run
    -- Of a target that is not compressed the size is known without reading it.
    LEFT JOIN LATERAL (
        SELECT name AS job_name, version, target, retry, catchup,
            CASE WHEN pg_column_compression(target) IS NULL THEN pg_column_size(target)
                ELSE octet_length(target::text) END AS bytes
        FROM jobs
        WHERE jobs.service_id = run.service_id AND jobs.id = run.job_id OFFSET 0
    ) AS job ON true
    WHERE run.id = message.id
), sure AS (
    -- Mostly it is plain that all fit, and nothing is sorted.
    SELECT coalesce(sum(bytes), 0) <= least(:all_bytes, min(room)) AS fits FROM found
), numbered AS (
    SELECT *, row_number() OVER of_service AS nth, sum(bytes) OVER of_service AS up_to_it
    FROM found
    WHERE NOT (SELECT fits FROM sure)
    WINDOW of_service AS (PARTITION BY service_id ORDER BY bytes, id ROWS UNBOUNDED PRECEDING)
), fitting AS MATERIALIZED (
    SELECT service_id, job_id, scheduled_for, id, job_name, version, target, retry, catchup,
        true AS fits
    FROM found WHERE (SELECT fits FROM sure)
    UNION ALL
    -- What does not fit stays where it is, and is told of: of each service the smallest come first,
    -- and of all services the first, then the second.
    SELECT service_id, job_id, scheduled_for, id, job_name, version, target, retry, catchup,
        up_to_it <= room
            AND sum(bytes) OVER (ORDER BY nth, bytes, id ROWS UNBOUNDED PRECEDING) <= :all_bytes
    FROM numbered
), taken AS (
    UPDATE runs
    SET state = 'queued', held_by = :worker_id, retry_at = NULL
    FROM fitting AS wanted
    WHERE wanted.fits AND
        \ir by_key.sql
        AND (runs.state IN ('scheduled', 'retrying') AND runs.due_at <= :until
            OR runs.state = 'queued' AND runs.held_by = :worker_id)
        AND NOT runs.buffered
    RETURNING runs.service_id, runs.job_id, runs.id, runs.scheduled_for, runs.due_at,
        runs.attempt_count, runs.started_at, runs.overlap, runs.overlap_wait_ms, wanted.job_name,
        wanted.version, wanted.target, wanted.retry, wanted.catchup
)
SELECT taken.*,
    (SELECT signing_secrets FROM services WHERE services.id = taken.service_id) AS signing_secrets,
    true AS fits
FROM taken
UNION ALL
SELECT service_id, job_id, id, scheduled_for, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, false
FROM fitting WHERE NOT fits
