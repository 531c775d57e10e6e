-- Whether a run of a day is open.
SELECT EXISTS (
    SELECT FROM runs WHERE scheduled_for >= :start AND scheduled_for < :end AND open
)
