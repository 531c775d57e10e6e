-- A job's schedule, and how long its last runs took, in the middle.
SELECT schedule, (
    \ir ../calendars/of_job.sql
) AS calendars, (
    SELECT extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY last.took)) FROM (
        SELECT finished_at - started_at AS took FROM runs
        WHERE runs.service_id = jobs.service_id AND runs.job_id = jobs.id AND state = 'succeeded'
            AND scheduled_for > :since
        ORDER BY scheduled_for DESC LIMIT :looked_at
    ) AS last
)::float8 AS usual_seconds
FROM jobs WHERE service_id = :service_id AND id = :job_id
