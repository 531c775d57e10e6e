-- Processes that beat and reckon by other tables of time zones.
SELECT kind, host, pid, tzdata FROM workers
WHERE
    \ir ../processes/beats.sql
    AND tzdata IS DISTINCT FROM :version
