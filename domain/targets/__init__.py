"""What can be rung.

A kind is one file here (what is stored, what a client may send, what is refused) and one in
workers/targets (how it is rung), each registered in its folder; nothing else knows the kinds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from domain.egress import Egress
from domain.errors import Invalid
from domain.secrets import MAX_NAMES
from domain.targets.actor import ActorTarget, ActorTargetBody
from domain.targets.http import HttpTarget, HttpTargetBody, origin_of
from domain.targets.url import check_egress

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


def check_target(target: Target, actors: Collection[str], egress: Egress | None = None) -> None:
    """Refuse a target that could never be rung.

    Args:
        actors: Names of the actors that the operator allows.
        egress: What the operator says of hosts; without it, that is not looked at.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    if isinstance(target, ActorTarget) and target.actor not in actors:
        names = ", ".join(sorted(actors)) or "none"
        raise Invalid(f"There is no such actor here; allowed are: {names}.", "/actor")
    target.check()
    if isinstance(target, HttpTarget) and egress is not None:
        check_egress(target.url, egress)
    if len(secret_names(target)) > MAX_NAMES:
        raise Invalid(f"A target may refer to {MAX_NAMES} different secrets.")


def secret_names(target: Target) -> dict[str, str]:
    """The secrets that a target refers to, each with the pointer to its first reference.

    Raises:
        Invalid: With a pointer to a reference that is malformed.
    """
    return {one.name: one.pointer for one in reversed(list(target.references()))}
