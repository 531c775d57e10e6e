-- From the start of the first attempt to the end of the last. What was cut off has no duration.
CASE WHEN runs.state IN ('succeeded', 'failed')
    THEN date_part('epoch', runs.finished_at - runs.started_at) * 1000 END
