-- Whether anything is left of what was claimed ahead of some jobs.
SELECT EXISTS (
    SELECT FROM unnest(:job_ids::uuid[]) AS job (id) JOIN runs ON runs.job_id = job.id
    WHERE
        \ir ahead.sql
)
