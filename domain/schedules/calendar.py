"""A calendar: days and instants of a service on which its jobs do not fire."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from domain.errors import Invalid, within
from domain.schedules.checks import check_exclusion
from domain.schedules.kinds.reading import Reading
from domain.schedules.schedule import MAX_EXCLUSIONS, Exclusion


class Calendar(Struct, frozen=True, kw_only=True):
    """What several schedules exclude alike; they name it in `exclude`."""

    name: str
    description: str
    exclude: tuple[Exclusion, ...]
    version: int
    created_at: datetime
    updated_at: datetime


def check_exclusions(exclude: tuple[Exclusion, ...]) -> None:
    """Refuse a calendar that holds too much, another calendar, or nonsense.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    if len(exclude) > MAX_EXCLUSIONS:
        raise Invalid(f"A calendar holds at most {MAX_EXCLUSIONS} entries.", "/exclude")
    reading = Reading()
    for number, exclusion in enumerate(exclude):
        with within(f"/exclude/{number}"):
            if exclusion.calendar is not None:
                raise Invalid("A calendar cannot name another one.", "/calendar")
            check_exclusion(exclusion, reading)
