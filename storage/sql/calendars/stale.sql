-- Jobs that have not been brought up to a change of a calendar.
\ir naming.sql
AND coalesce(calendar_change, 0) < :change_id
