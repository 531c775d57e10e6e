-- Locks the jobs of runs that may be missed, in one order, as wherever several jobs are.
SELECT service_id, id, schedule, catchup, paused, run_count, next_fire_for, accounted_to,
    \ir ../calendars/of_job.sql
    AS calendars
FROM jobs
WHERE (service_id, id) IN (SELECT * FROM unnest(:service_ids::uuid[], :job_ids::uuid[]))
ORDER BY service_id, id
FOR UPDATE OF jobs
