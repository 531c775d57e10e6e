-- Who else beats: the process that holds the pass, and any with other tables or the same.
SELECT statement_timestamp() AS now,
    EXISTS (
        SELECT FROM workers WHERE id = :holder_id AND id <> :process_id AND
            \ir ../processes/beats.sql
    ) AS is_held,
    EXISTS (
        SELECT FROM workers WHERE id <> :process_id AND
            \ir ../processes/beats.sql
            AND tzdata IS DISTINCT FROM :version
    ) AS with_others,
    EXISTS (
        SELECT FROM workers WHERE id <> :process_id AND
            \ir ../processes/beats.sql
            AND tzdata = :version AND kind = 'dispatcher'
    ) AS with_alike
