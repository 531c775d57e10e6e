"""The kinds of schedule. One is a file of its own and a line in each list below; that is all."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import UNSET, Struct, UnsetType

from domain.resources.instants import Instant
from domain.schedules.kinds.after import After, AfterSent, AfterShown
from domain.schedules.kinds.at import At, AtSent
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

    at: Instant | UnsetType = UNSET
    after: AfterShown = UNSET
    every: EveryShown = UNSET
    phase: EveryShown = UNSET
    cron: CronShown = UNSET
    rrule: RruleShown = UNSET


FIELDS = {kind.__struct_fields__[0]: kind.__struct_fields__ for kind in KINDS}
"""The fields of each kind, by its name."""
NAMES = tuple(FIELDS)
EXCLUDING_NAMES = tuple(kind.__struct_fields__[0] for kind in KINDS if kind.may_exclude)
BY_NAME = dict(zip(NAMES, KINDS, strict=True))
EXACTLY_ONE = f"exactly one of {listed([f'`{name}`' for name in NAMES])}"
"""For whoever writes one, as are the sentences of refusals."""


def kind_of(spec: Spec) -> Kind | None:
    """What a spec is; None of an exclusion that names days or a calendar."""
    for name, kind in BY_NAME.items():
        if getattr(spec, name) is not None:
            return kind(*[getattr(spec, field) for field in FIELDS[name]])
    return None
