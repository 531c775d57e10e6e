"""What a schedule asks of each of its kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple, Protocol

from msgspec import Struct

from domain.schedules.clocks.local_times import LocalTimes
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.kinds.reading import Reading
from domain.schedules.kinds.work import Work


class Terms(Protocol):
    """What a schedule says beside its specs, as far as their fire times depend on it."""

    @property
    def accepted_at(self) -> datetime: ...
    @property
    def seed(self) -> str: ...
    @property
    def timezone(self) -> str: ...
    @property
    def gap(self) -> Gap: ...
    @property
    def fold(self) -> Fold: ...
    @property
    def jitter(self) -> timedelta: ...
    @property
    def work(self) -> Work: ...


class Rule(NamedTuple):
    """Whether a spec in `exclude` excludes an instant.

    Attributes:
        work: What the question costs, in steps.
        until: None when the instant (given in UTC and in the schedule's zone) may fire, else an
            instant up to which all is excluded.
        names_wall: Whether the spec names a wall time of the schedule's zone, if it can tell.
    """

    work: int
    until: Callable[[datetime, datetime], datetime | None]
    names_wall: Callable[[datetime], bool] | None = None


class Kind(Struct, frozen=True):
    """One set of instants; a subclass is a kind of schedule.

    The fields are those that a spec has of this kind. The first one gives the kind its name, and a
    spec that has it is of the kind.

    Attributes:
        by_clock: Whether it names wall-clock times, so that gaps and folds matter.
        may_exclude: Whether it may stand in `exclude`.
        counts_from_acceptance: Whether its instants depend on when the schedule was accepted.
    """

    by_clock: ClassVar[bool] = False
    may_exclude: ClassVar[bool] = True
    counts_from_acceptance: ClassVar[bool] = False

    @classmethod
    def read(cls, sent: dict[str, Any], times: LocalTimes) -> list[dict[str, Any]]:
        """The fields of the specs that a client's fields stand for: of one, or of several.

        Raises:
            Invalid: With a pointer below the spec.
        """
        return [sent]

    def shown(self) -> dict[str, Any]:
        """The fields as clients are answered and schedules are stored."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    def normal(self) -> object:
        """What equals that of another spec of the kind that says the same in other words."""
        return self

    def check(self, reading: Reading) -> None:
        """Refuse what breaks a rule.

        Args:
            reading: How much text the schedule has in all.

        Raises:
            Invalid: With a pointer below the spec.
        """

    def check_excluding(self) -> None:
        """Refuse it in `exclude`, if it may not stand there.

        Raises:
            Invalid: With a pointer below the exclusion.
        """

    def next(self, terms: Terms, after: datetime) -> datetime | None:
        """The first instant strictly later than `after`, in UTC; adds what it cost to the work."""
        raise NotImplementedError

    def names(self, terms: Terms, instant: datetime) -> bool:
        """Whether the instant is one of them."""
        raise NotImplementedError

    def only_instant(self, terms: Terms) -> datetime | None:
        """The one instant that there is, of a kind that has one."""
        return None

    def rule(self, terms: Terms) -> Rule:
        """What it excludes, of a kind that may exclude and has more than one instant."""
        raise NotImplementedError

    def in_words(self, terms: Terms) -> str:
        """A clause such as "every 15 minutes"."""
        raise NotImplementedError

    def excluded_in_words(self, terms: Terms) -> str:
        """The same after "except"."""
        return self.in_words(terms)

    def warnings(self, terms: Terms) -> Iterator[str]:
        """A sentence for each thing that is allowed and yet unlikely to be meant."""
        return iter(())

    @property
    def names_zone(self) -> bool:
        """Whether it is read in a zone of its own."""
        return False

    @property
    def is_costly(self) -> bool:
        """Whether a single question may cost a second of CPU."""
        return False
