"""A Dramatiq actor of the operator's, run by a worker process."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.durations import Duration, duration_of, written
from domain.errors import Invalid
from domain.targets.json import Json, kept
from domain.targets.kinds.kind import TargetKind
from domain.targets.timeout import DEFAULT_TIMEOUT, check_timeout


class ActorTarget(TargetKind, frozen=True, kw_only=True, tag="actor"):
    """An actor and what it is called with.

    Attributes:
        actor: Its name; the setting TOCSIN_ACTORS says which are allowed.
        payload: JSON, the actor's one argument; none means null.
        timeout: Bound on one attempt.
    """

    actor: str
    payload: Json | UnsetType = UNSET
    timeout: timedelta = DEFAULT_TIMEOUT

    payload_field: ClassVar[str] = "payload"

    @property
    def reached(self) -> str:
        """The actor's name."""
        return self.actor

    def check(self, allowed: Collection[str]) -> None:
        """Refuse what could never be rung.

        Args:
            allowed: Names of the actors that the operator allows.

        Raises:
            Invalid: With a pointer to the value at fault.
        """
        if self.actor not in allowed:
            names = ", ".join(sorted(allowed)) or "none"
            raise Invalid(f"There is no such actor here; allowed are: {names}.", "/actor")
        check_timeout(self.timeout)


class ActorTargetBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="actor"
):
    """A Dramatiq actor to run; the operator says which there are."""

    actor: Annotated[str, Meta(min_length=1, max_length=128, examples=["log"])]
    payload: Json | UnsetType = UNSET
    timeout: Duration = written(DEFAULT_TIMEOUT)

    def target(self) -> ActorTarget:
        """The target.

        Raises:
            Invalid: With a pointer into this body.
        """
        return ActorTarget(
            actor=self.actor,
            payload=kept(self.payload),
            timeout=duration_of(self.timeout, "/timeout"),
        )
