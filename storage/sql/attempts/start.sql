-- Begins attempts of runs that have their jobs' overlap locks, or get them.
WITH wanted AS MATERIALIZED (
    \ir wanted_to_start.sql
), turn AS (
    INSERT INTO turns (service_id, job_id, run_id, scheduled_for)
    SELECT service_id, job_id, id, scheduled_for
    \ir start_with_lock.sql
