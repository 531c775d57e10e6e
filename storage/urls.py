"""Where servers are; apart from the code that uses them, so that reading settings stays quick."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from msgspec import Struct

SENTINEL_SCHEME = "redis+sentinel"
_SENTINEL_PORT = 26379
_SCHEMES = {"redis", "rediss", "unix"}
_SERVICE = re.compile(r"[A-Za-z0-9._-]+")
_OPTIONS = {"sentinel_username", "sentinel_password"}


class BadRedisUrl(Exception):
    """The URL of a Redis makes no sense; says what about it, and nothing of a password."""


class ShardUrls(Struct, frozen=True, kw_only=True):
    """One shard's servers, as `postgresql://` and `redis://` URLs.

    Attributes:
        pooler: Leads to the primary, too, through PgBouncer in transaction mode.
    """

    primary: str
    pooler: str | None = None
    replicas: tuple[str, ...] = ()
    redis: str


class Sentinels(Struct, frozen=True, kw_only=True):
    """Those who know which Redis is the primary.

    Attributes:
        addresses: Host and port of each.
        service: What they call that Redis.
        database: Of that Redis.
        login: `username` and `password` for the Redis, as far as they are needed.
        sentinel_login: The same for the Sentinels themselves.
    """

    addresses: tuple[tuple[str, int], ...]
    service: str
    database: int = 0
    login: dict[str, str] = {}
    sentinel_login: dict[str, str] = {}


def parse_sentinels(url: str) -> Sentinels | None:
    """The Sentinels that a URL names, or None when it names a Redis.

    `redis+sentinel://[[username]:password@]host[:port],…/SERVICE[/database]`, and behind it
    `?sentinel_password=…&sentinel_username=…` where the Sentinels want to be logged in to. What is
    no letter or digit in a name or a password is percent-encoded. Without a port it is 26379.

    Raises:
        BadRedisUrl: When it is neither.
    """
    parts = urlsplit(url)
    if parts.scheme in _SCHEMES:
        return None
    if parts.scheme != SENTINEL_SCHEME:
        raise BadRedisUrl(f"it begins neither with redis:// nor with {SENTINEL_SCHEME}://")
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    service, database = _service_of(parts)
    return Sentinels(
        addresses=tuple(_address(host) for host in hosts.split(",")),
        service=service,
        database=database,
        login=_given(username=unquote(username), password=unquote(password)),
        sentinel_login=_options_of(parts),
    )


def redis_database(url: str, number: int) -> str:
    """A Redis URL with one of its databases: `number` beyond the one that the URL names, or 0."""
    parts = urlsplit(url)
    if parts.scheme == SENTINEL_SCHEME:
        service, first = _service_of(parts)
        path = f"/{service}/{first + number}"
    else:
        path = f"/{int(parts.path.strip('/') or 0) + number}"
    return urlunsplit(parts._replace(path=path))


def _service_of(parts: SplitResult) -> tuple[str, int]:
    service, _, database = parts.path.strip("/").partition("/")
    if not _SERVICE.fullmatch(service):
        raise BadRedisUrl("behind the Sentinels it must name the service: …:26379/SERVICE")
    if not (database or "0").isdecimal():
        raise BadRedisUrl(f"behind the service stands the number of a database, not {database!r}")
    return service, int(database or 0)


def _address(text: str) -> tuple[str, int]:
    try:
        host = urlsplit(f"//{text}")
        port = host.port or _SENTINEL_PORT
    except ValueError:
        raise BadRedisUrl(f"{text!r} has no port of a Sentinel, like 26379") from None
    if not host.hostname or host.path:
        raise BadRedisUrl(f"{text!r} is no host of a Sentinel, like sentinel-1:26379")
    return host.hostname, port


def _options_of(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := options.keys() - _OPTIONS:
        raise BadRedisUrl(
            f"it may have {' and '.join(sorted(_OPTIONS))} as options, not {min(unknown)!r}"
        )
    return {name.removeprefix("sentinel_"): value for name, value in options.items()}


def _given(**words: str) -> dict[str, str]:
    return {name: word for name, word in words.items() if word}
