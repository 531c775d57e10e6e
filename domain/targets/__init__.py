"""What can be rung: one file a kind; a new kind is registered here and in workers/targets."""

from __future__ import annotations

from collections.abc import Collection

from domain.errors import Invalid
from domain.targets.actor import ActorTarget
from domain.targets.http import HttpTarget

Target = HttpTarget | ActorTarget


def check_target(target: Target, actors: Collection[str]) -> None:
    """Refuse a target that could never be rung.

    Args:
        actors: Names of the actors that the operator allows.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    if isinstance(target, ActorTarget) and target.actor not in actors:
        names = ", ".join(sorted(actors)) or "none"
        raise Invalid(f"There is no such actor here; allowed are: {names}.", "/actor")
    target.check()
