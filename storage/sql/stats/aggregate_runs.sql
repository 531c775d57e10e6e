-- The same as aggregate_events.sql, of runs that have ended, from one key (exclusive) to another.
WITH ended AS (
    SELECT
        \ir ../events/ended_columns.sql
    FROM runs
    WHERE service_id = :service_id AND NOT open AND finished_at >= :first
        AND (job_id, scheduled_for, generation)
            > (:after_job_id, :after_fire_time, :after_generation)
        AND (job_id, scheduled_for, generation)
            <= (:to_job_id, :to_fire_time, :to_generation)
),
\ir aggregate_ended.sql
