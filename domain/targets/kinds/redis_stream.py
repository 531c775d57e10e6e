"""`redis_stream`: an entry added to a stream of a Redis that the operator names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.durations import Duration, duration_of, written
from domain.errors import Invalid
from domain.targets.json import Json, kept
from domain.targets.kinds.kind import TargetKind
from domain.targets.timeout import DEFAULT_TIMEOUT, check_timeout

MAX_LENGTH = 1_000_000_000

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STREAM = re.compile(r"[\x21-\x7e]{1,256}")
_SCHEMES = frozenset({"redis", "rediss", "redis+sentinel"})


class StreamServer(Struct, frozen=True):
    """A Redis whose streams targets may add to.

    Attributes:
        url: With its password; never shown.
        streams: Patterns of their names, in which `*` stands for any characters.
    """

    url: str
    streams: tuple[str, ...]

    def allows(self, stream: str) -> bool:
        """Whether targets may add to a stream."""
        return any(_pattern(one).fullmatch(stream) for one in self.streams)

    def __repr__(self) -> str:
        return f"StreamServer(streams={self.streams})"


def read_servers(entries: Sequence[str]) -> Mapping[str, StreamServer]:
    """Servers by name, from `NAME=URL#STREAM|STREAM`, split at commas.

    Raises:
        ValueError: When an entry makes no sense; tells which, and nothing of a password.
    """
    servers: dict[str, StreamServer] = {}
    for number, entry in enumerate(_whole(entries), start=1):
        name, is_named, rest = entry.partition("=")
        url, has_streams, streams = rest.rpartition("#")
        patterns = tuple(one.strip() for one in streams.split("|"))
        usable = is_named and has_streams and _NAME.fullmatch(name) and _is_url(url)
        if not usable or not all(map(_STREAM.fullmatch, patterns)):
            raise ValueError(
                f"Bad TOCSIN_REDIS_STREAMS: entry {number} must be like"
                " orders=redis://:password@redis.internal:6379/0#orders:*, with no comma, # or | in"
                " the password but percent-encoded."
            )
        if name in servers:
            raise ValueError(
                f"Bad TOCSIN_REDIS_STREAMS: {name!r} stands there twice; give all streams of a"
                " server in one entry, with | between them."
            )
        servers[name] = StreamServer(url, patterns)
    return servers


class RedisStreamTarget(TargetKind, frozen=True, kw_only=True, tag="redis_stream"):
    """A stream, and what is added to it.

    Attributes:
        server: What the operator calls the Redis.
        body: JSON exactly as the service sent it; none means `{}`.
        max_length: About how many entries the stream keeps; none means all.
        timeout: Bound on one attempt, from connecting to the reply.
    """

    server: str
    stream: str
    body: Json | UnsetType = UNSET
    max_length: int | None = None
    timeout: timedelta = DEFAULT_TIMEOUT

    payload_field: ClassVar[str] = "body"

    @property
    def reached(self) -> str:
        """The server's name: its streams share its health."""
        return self.server

    def check(self, allowed: Mapping[str, StreamServer]) -> None:
        """Refuse what could never be rung.

        Args:
            allowed: Servers by name.

        Raises:
            Invalid: With a pointer to the value at fault.
        """
        server = allowed.get(self.server)
        if server is None:
            names = ", ".join(sorted(allowed)) or "none"
            raise Invalid(f"There is no such Redis here; allowed are: {names}.", "/server")
        if not _STREAM.fullmatch(self.stream):
            raise Invalid("A stream has 1 to 256 printable ASCII characters, no space.", "/stream")
        if not server.allows(self.stream):
            streams = ", ".join(server.streams)
            raise Invalid(f"This stream is not allowed; allowed are: {streams}.", "/stream")
        if self.max_length is not None and not 1 <= self.max_length <= MAX_LENGTH:
            raise Invalid(f"A stream keeps from 1 to {MAX_LENGTH:,} entries.", "/max_length")
        check_timeout(self.timeout)


class RedisStreamTargetBody(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="redis_stream",
):
    """An entry to add to a stream of a Redis; the operator says which there are."""

    server: Annotated[str, Meta(min_length=1, max_length=64, examples=["orders"])]
    stream: Annotated[str, Meta(min_length=1, max_length=256, examples=["orders:due"])]
    body: Json | UnsetType = UNSET
    max_length: (
        Annotated[
            int,
            Meta(
                description="About how many entries the stream keeps",
                extra_json_schema={"minimum": 1, "maximum": MAX_LENGTH},
            ),
        ]
        | None
    ) = None
    timeout: Duration = written(DEFAULT_TIMEOUT)

    def target(self) -> RedisStreamTarget:
        """The target.

        Raises:
            Invalid: With a pointer into this body.
        """
        return RedisStreamTarget(
            server=self.server,
            stream=self.stream,
            body=kept(self.body),
            max_length=self.max_length,
            timeout=duration_of(self.timeout, "/timeout"),
        )


def _whole(entries: Sequence[str]) -> list[str]:
    """Entries as they were before they were split at commas, which stand in URLs of Sentinels."""
    whole, begun = [], ""
    for part in entries:
        begun = f"{begun},{part}" if begun else part
        if "#" in part:
            whole.append(begun)
            begun = ""
    return [*whole, begun] if begun else whole


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    return url.scheme in _SCHEMES and bool(url.netloc.rpartition("@")[2])


@lru_cache(maxsize=1_024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))))
