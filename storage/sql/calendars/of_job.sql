-- The calendars of a job's schedule, by name; most jobs have none.
CASE WHEN jobs.calendars <> '{}' THEN (
    SELECT json_object_agg(calendars.name, calendars.exclude)::text FROM calendars
    WHERE calendars.service_id = jobs.service_id AND calendars.name = ANY (jobs.calendars)
) END
