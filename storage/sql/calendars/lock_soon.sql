-- Locks the jobs naming a calendar of which runs may have been claimed, with a second more than what
-- dispatchers look ahead by, and one for what their clocks may differ.
SELECT id FROM jobs
WHERE
    \ir naming.sql
    AND (accounted_to > :at OR next_claim_at <= :until)
ORDER BY id FOR UPDATE
