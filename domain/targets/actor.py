"""A Dramatiq actor of the operator's, run by a worker process."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from msgspec import UNSET, Struct, UnsetType

from domain.targets.timeout import DEFAULT_TIMEOUT, check_timeout


class ActorTarget(Struct, frozen=True, kw_only=True, tag_field="type", tag="actor"):
    """An actor and what it is called with.

    Attributes:
        actor: Its name; the setting TOCSIN_ACTORS says which are allowed.
        payload: JSON, the actor's one argument; none means null.
        timeout: Bound on one attempt.
    """

    actor: str
    payload: msgspec.Raw | UnsetType = UNSET
    timeout: timedelta = DEFAULT_TIMEOUT

    def check(self) -> None:
        """Refuse what could never be rung.

        Raises:
            Invalid: With a pointer to the value at fault.
        """
        check_timeout(self.timeout)
