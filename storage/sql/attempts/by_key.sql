-- Each run of `wanted` is looked up by its key, in few partitions. While a day is small, reading
-- all of it looks cheaper, and such a plan is kept when the day has grown. Only by indexes may a day
-- be read (storage/postgres/pools.py), and this leaves none that could be read whole: a service in an
-- array is not merged with, and days that fulfil one condition or another are no part of an index.
runs.service_id = ANY (ARRAY[wanted.service_id])
AND (runs.scheduled_for BETWEEN :first AND :last OR runs.scheduled_for = :first)
AND runs.job_id = wanted.job_id AND runs.scheduled_for = wanted.scheduled_for
AND runs.id = wanted.id
