-- The values of secrets as they are stored.
SELECT secrets.service_id, secrets.name, secrets.key_id, secrets.content
FROM unnest(:service_ids::uuid[], :names::text[]) AS asked (service_id, name)
JOIN secrets ON secrets.service_id = asked.service_id AND secrets.name = asked.name
