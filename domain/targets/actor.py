"""A Dramatiq actor of the operator's, run by a worker process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from domain.durations import Duration, duration_of, written
from domain.secrets import Reference, in_json, references
from domain.targets.json import Json, kept
from domain.targets.timeout import DEFAULT_TIMEOUT, check_timeout


class ActorTarget(Struct, frozen=True, kw_only=True, tag_field="type", tag="actor"):
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
    def payload_bytes(self) -> int:
        """How much is sent."""
        return 0 if isinstance(self.payload, UnsetType) else len(bytes(self.payload))

    def references(self) -> Iterator[Reference]:
        """The secrets that the payload refers to.

        Raises:
            Invalid: With a pointer to a reference that is malformed.
        """
        if isinstance(self.payload, msgspec.Raw):
            yield from references(bytes(self.payload).decode(), "/payload")

    def with_secrets(self, values: Mapping[str, str]) -> ActorTarget:
        """The target with values in place of references.

        Raises:
            Invalid: When it gets too long.
        """
        if not isinstance(self.payload, msgspec.Raw):
            return self
        return msgspec.structs.replace(self, payload=in_json(self.payload, values, "/payload"))

    def check(self) -> None:
        """Refuse what could never be rung.

        Raises:
            Invalid: With a pointer to the value at fault.
        """
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
