"""What can be rung.

A kind of target is a file in `kinds/` here (what is stored, sent and refused) and one of the name
of its type in workers/targets/kinds (how it is rung). It is registered in this file, and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, get_args

from msgspec import Struct

from domain.errors import Invalid
from domain.targets.egress import Egress
from domain.targets.kinds.actor import ActorTarget, ActorTargetBody
from domain.targets.kinds.http import HttpTarget, HttpTargetBody
from domain.targets.kinds.kind import TargetKind
from domain.targets.kinds.redis_stream import (
    RedisStreamTarget,
    RedisStreamTargetBody,
    StreamServer,
    read_servers,
)
from domain.targets.secrets import MAX_NAMES

Target = HttpTarget | ActorTarget | RedisStreamTarget
TargetBody = HttpTargetBody | ActorTargetBody | RedisStreamTargetBody


class TargetSettings(Struct, frozen=True, kw_only=True):
    """What an operator can say of targets of some kinds.

    Attributes:
        actors: Dramatiq actors that targets may name, separated by commas.
        redis_streams: Streams that targets may add to, separated by commas: `NAME=URL#STREAM`, with
            any name for the server, its `redis://`, `rediss://` or `redis+sentinel://` URL, and the
            stream, in which `*` stands for any characters; `|` separates several.
    """

    actors: tuple[str, ...] = ("log", "noop")
    redis_streams: tuple[str, ...] = ()


class Allowed(Struct, frozen=True, kw_only=True):
    """What an operator allows targets to be, kind by kind."""

    http: Egress | None = None
    actor: frozenset[str] = frozenset()
    redis_stream: Mapping[str, StreamServer] = {}


def allowed_by(settings: TargetSettings, egress: Egress) -> Allowed:
    """What settings allow.

    Raises:
        ValueError: When one makes no sense; says which, and nothing of a password.
    """
    return Allowed(
        http=egress,
        actor=frozenset(settings.actors),
        redis_stream=read_servers(settings.redis_streams),
    )


def type_of(target: type[TargetKind]) -> str:
    """What clients call a kind."""
    return str(target.__struct_config__.tag)


KINDS: dict[str, type[TargetKind]] = {type_of(kind): kind for kind in get_args(Target)}


class Reached(NamedTuple):
    """What attempts at a target reach, and what they may overload together.

    Attributes:
        name: The origin of a URL, or an actor's name, or whatever the kind says.
    """

    kind: str
    name: str


def reached_by(target: Target) -> Reached:
    """What is reached by an attempt."""
    return Reached(type_of(type(target)), target.reached)


def check_target(target: Target, allowed: Allowed) -> None:
    """Refuse a target that could never be rung.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    target.check(getattr(allowed, type_of(type(target))))
    if len(secret_names(target)) > MAX_NAMES:
        raise Invalid(f"A target may refer to {MAX_NAMES} different secrets.")


def secret_names(target: Target) -> dict[str, str]:
    """The secrets that a target refers to, each with the pointer to its first reference.

    Raises:
        Invalid: With a pointer to a reference that is malformed.
    """
    return {one.name: one.pointer for one in reversed(list(target.references()))}
