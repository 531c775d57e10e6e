-- How many processes of each kind beat.
SELECT kind, count(*) AS count FROM workers
WHERE
    \ir beats.sql
GROUP BY kind
