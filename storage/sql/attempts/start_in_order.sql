-- Begins attempts of runs that begin in order (overlap policy `buffer_all`). One that has not its
-- job's overlap lock yet gets it if none is open that was due before. A row in `turns` is there
-- afterwards in any case, and locked by whoever decides then.
WITH wanted AS MATERIALIZED (
    \ir wanted_to_start.sql
), turn AS (
    INSERT INTO turns (service_id, job_id, run_id, scheduled_for)
    SELECT service_id, job_id,
        CASE WHEN (
                SELECT turns.run_id FROM turns
                WHERE turns.service_id = wanted.service_id AND turns.job_id = wanted.job_id
            ) = wanted.id
            OR (
                SELECT first.id FROM runs AS first
                WHERE first.service_id = wanted.service_id AND first.job_id = wanted.job_id
                    AND first.open AND first.overlap = 'buffer_all'
                ORDER BY first.due_at, first.id LIMIT 1
            ) = wanted.id
        THEN id ELSE '00000000-0000-0000-0000-000000000000' END,
        scheduled_for
    \ir start_with_lock.sql
