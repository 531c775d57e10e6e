-- How far a job is accounted for, with what its schedule is told by.
SELECT service_id, id, schedule, (
    \ir ../calendars/of_job.sql
) AS calendars, accounted_to, next_fire_for
FROM jobs WHERE service_id = :service_id AND id = :job_id
