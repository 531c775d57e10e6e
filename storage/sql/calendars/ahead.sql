-- Of what was claimed ahead, what has not begun.
runs.service_id = :service_id AND runs.scheduled_for > :at AND runs.trigger = 'schedule'
AND runs.open AND runs.state IN ('scheduled', 'queued') AND runs.attempt_count = 0
