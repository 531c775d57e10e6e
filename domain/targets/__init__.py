"""What can be rung.

A kind is one file here (what is stored, what a client may send, what is refused) and one in
workers/targets (how it is rung), each registered in its folder; nothing else knows the kinds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from domain.errors import Invalid
from domain.targets.actor import ActorTarget, ActorTargetBody
from domain.targets.http import HttpTarget, HttpTargetBody, origin_of

Target = HttpTarget | ActorTarget
TargetBody = HttpTargetBody | ActorTargetBody


class Reached(NamedTuple):
    """What attempts at a target reach, and what they may overload together.

    Attributes:
        name: The origin of a URL, or an actor's name.
    """

    kind: str
    name: str


def reached_by(target: Target) -> Reached:
    """What is reached by an attempt."""
    if isinstance(target, HttpTarget):
        return Reached("http", origin_of(target.url))
    return Reached("actor", target.actor)


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
