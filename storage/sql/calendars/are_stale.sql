SELECT EXISTS (
    SELECT FROM jobs
    WHERE
        \ir stale.sql
)
