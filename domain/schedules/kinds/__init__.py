"""The kinds of schedule. One is a file of its own and a line in each list below; that is all."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import UNSET, Struct

from domain.schedules.kinds.after import After, AfterSent, AfterShown
from domain.schedules.kinds.at import At, AtSent, AtShown
from domain.schedules.kinds.cron import CronExpression, CronSent, CronShown
from domain.schedules.kinds.every import Every, EverySent, EveryShown, PhaseSent
from domain.schedules.kinds.kind import Kind
from domain.schedules.kinds.rrule import RecurrenceRule, RruleSent, RruleShown
from domain.schedules.words import listed

KINDS: tuple[type[Kind], ...] = (At, After, Every, CronExpression, RecurrenceRule)


class Spec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A set of instants: exactly one kind is set."""

    at: datetime | None = None
    after: timedelta | None = None
    every: timedelta | None = None
    phase: timedelta = timedelta(0)
    cron: str | None = None
    rrule: str | None = None


class SentSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same as clients send it."""

    at: AtSent = UNSET
    after: AfterSent = UNSET
    every: EverySent = UNSET
    phase: PhaseSent = UNSET
    cron: CronSent = UNSET
    rrule: RruleSent = UNSET


class ShownSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same as clients are answered."""

    at: AtShown = UNSET
    after: AfterShown = UNSET
    every: EveryShown = UNSET
    phase: EveryShown = UNSET
    cron: CronShown = UNSET
    rrule: RruleShown = UNSET


_REGISTERED = [(kind.__struct_fields__[0], kind, kind.__struct_fields__[1:]) for kind in KINDS]
FIELDS = {name: (name, *others) for name, _, others in _REGISTERED}
"""The fields of each kind, by its name."""
BY_NAME = {name: kind for name, kind, _ in _REGISTERED}
NAMES = tuple(BY_NAME)
EXCLUDING_NAMES = tuple(name for name, kind in BY_NAME.items() if kind.may_exclude)
EXACTLY_ONE = f"exactly one of {listed([f'`{name}`' for name in NAMES])}"
"""For whoever writes one, as are the sentences of refusals."""


def kind_of(spec: Spec) -> Kind | None:
    """What a spec is; None of an exclusion that names days or a calendar."""
    for name, kind, others in _REGISTERED:
        value = getattr(spec, name)
        if value is not None:
            return kind(value, *[getattr(spec, one) for one in others]) if others else kind(value)
    return None
