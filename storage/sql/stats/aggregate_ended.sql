-- A sketch of one value (domain/runs/sketch.py), or null of none. Not `greatest`, which would make the
-- least of what is null.
counted AS (
    SELECT service_id, job_id, state, finished_at, lateness_ms, duration_ms, overlap_wait_ms,
        int2send(ceil(ln(CASE WHEN lateness_ms < :least_ms THEN :least_ms
            ELSE lateness_ms END) * :bins_per_e)::int2) || '\x00000001'::bytea AS lateness,
        int2send(ceil(ln(CASE WHEN duration_ms < :least_ms THEN :least_ms
            ELSE duration_ms END) * :bins_per_e)::int2) || '\x00000001'::bytea AS duration,
        int2send(ceil(ln(CASE WHEN overlap_wait_ms < :least_ms THEN :least_ms
            ELSE overlap_wait_ms END) * :bins_per_e)::int2) || '\x00000001'::bytea AS overlap_wait
    FROM ended
), jobs AS (
    INSERT INTO job_stats AS bucket (service_id, job_id, day,
        \ir figures.sql
    )
    SELECT service_id, job_id, date_trunc('day', finished_at, 'UTC'),
        \ir figures_of_runs.sql
    FROM counted
    GROUP BY service_id, job_id, date_trunc('day', finished_at, 'UTC')
    ON CONFLICT (service_id, job_id, day) DO UPDATE SET
        \ir add_figures.sql
    RETURNING service_id, job_id, day, lateness, duration, overlap_wait, loose
), services AS (
    INSERT INTO service_stats AS bucket (service_id, hour,
        \ir figures.sql
    )
    SELECT service_id, date_trunc('hour', finished_at, 'UTC'),
        \ir figures_of_runs.sql
    FROM counted
    GROUP BY service_id, date_trunc('hour', finished_at, 'UTC')
    ON CONFLICT (service_id, hour) DO UPDATE SET
        \ir add_figures.sql
    RETURNING service_id, hour, lateness, duration, overlap_wait, loose
)
SELECT service_id, job_id, day AS start, lateness, duration, overlap_wait
FROM jobs WHERE loose > :most_loose
UNION ALL
SELECT service_id, NULL, hour, lateness, duration, overlap_wait
FROM services WHERE loose > :most_loose
