-- Counts the runs of events in the buckets of their jobs and services, and deletes the events;
-- returns the buckets whose sketches are to be made compact.
WITH taken AS (
    DELETE FROM run_events WHERE id = ANY (:event_ids::bigint[]) RETURNING *
), ended AS (
    SELECT run.*
    FROM taken, unnest(service_ids, job_ids, states, lateness_ms, duration_ms, finished_at,
            overlap_wait_ms)
        AS run (service_id, job_id, state, lateness_ms, duration_ms, finished_at, overlap_wait_ms)
),
\ir aggregate_ended.sql
