-- Which of some services have a limit of their own of runs a minute.
SELECT id, (limits->>'fires_per_minute')::int AS most FROM services
WHERE limits->>'fires_per_minute' IS NOT NULL AND id = ANY (:service_ids::uuid[])
