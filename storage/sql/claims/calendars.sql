-- The calendars that claimed jobs name, each once, however many jobs name it. Read when the jobs are
-- locked: who changes a calendar waits for the jobs that name it afterwards.
SELECT service_id, name, exclude::text, (
    SELECT max(id) FROM calendar_changes AS change
    WHERE change.service_id = calendars.service_id AND change.name = calendars.name
) AS change
FROM unnest(:service_ids::uuid[], :names::text[]) AS named (service_id, name)
JOIN calendars USING (service_id, name)
