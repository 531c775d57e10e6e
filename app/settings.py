"""Settings, read once from `TOCSIN_*` environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from domain.targets import Allowed, TargetSettings, allowed_by
from domain.targets.egress import Egress, parse_egress
from storage.crypto.encryption_keys import BadEncryptionKeys, EncryptionKeys, parse_encryption_keys
from storage.urls import BadRedisUrl, ShardUrls, parse_sentinels

PREFIX = "TOCSIN_"
MOST_PROCESSES = 4
_LISTS = (
    "replica_urls",
    "egress_allow",
    "egress_deny",
    "name_servers",
    *TargetSettings.__struct_fields__,
    "cors_origins",
    "oidc_algorithms",
    "encryption_keys",
)
# Signed with a private key; a shared secret would let whoever checks a token also make one.
_ALGORITHMS = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class SettingsError(Exception):
    """A setting is missing or makes no sense; says which and what to do."""


class Settings(TargetSettings, frozen=True, kw_only=True):
    """What an operator can set, beside `TargetSettings`; the field `port` is `TOCSIN_PORT`.

    Attributes:
        data_dir: Where the embedded servers keep their data.
        host: The address on which the API listens.
        port: The port of the API.
        primary_url: `postgresql://user:password@host:port/database` of the primary. It may name
            several hosts, separated by commas: the one that takes writes is used. Without it, `up`
            embeds PostgreSQL.
        pooler_url: The same of a PgBouncer in transaction mode in front of the primary. Statements
            that need no session of their own go through it.
        replica_urls: The same of each replica, separated by commas. Without them the primary
            answers reads.
        redis_url: `redis://:password@host:port`, or
            `redis+sentinel://[[username]:password@]host[:port],host[:port],…/SERVICE[/database]`
            where Sentinels know which Redis is the primary, with
            `?sentinel_username=…&sentinel_password=…` if they want that. Database 0 holds the cache
            and consistency tokens, 1 the queue. Without it, `up` embeds Valkey.
        egress_allow: Networks (CIDR, separated by commas) where targets may lie, beside public
            addresses. `up` allows loopback.
        egress_deny: Networks, and names of hosts (`*.` in front: all names below), where targets
            may not lie even if that is allowed.
        egress_proxy: `http://host:port` of the proxy through which HTTP targets are called.
        name_servers: Addresses of the DNS servers that look up names of targets, such as
            `192.0.2.53,[2001:db8::53]:5353`. Without them, those of the system.
        retention_days: How many days runs, attempts and audit are kept. Each hour the three oldest
            days at most are dropped.
        pool_size: Connections of an API process to each Postgres server.
        processes: How many API processes and how many worker processes `up` starts. 0 is one for
            each core, at most 4.
        cors_origins: Web origins whose pages may call the API, such as `https://console.example`,
            separated by commas.
        tls: Whether TLS ends in front of the API: browsers are then told to insist on it.
        metrics_port: The port where each process serves `/metrics`, and dispatcher, worker and
            clock also `/live` and `/ready`. With 0 the API serves its metrics at `/metrics` of its
            own port, in that spelling only, and the others serve nothing.
        oidc_issuer: URL of the OpenID provider whose tokens people may send; with https, unless
            it is on this host.
        oidc_audience: What such a token must say in `aud`.
        oidc_algorithms: How such a token may be signed, separated by commas; never with a shared
            secret.
        encryption_keys: `id:base64-of-32-bytes`, separated by commas. The first key encrypts
            secrets, all decrypt. `up` makes one.
        log_level: `debug`, `info`, `warning` or `error`. Logs are JSON unless on a terminal.
    """

    data_dir: Path = Path(".data")
    host: str = "127.0.0.1"
    port: int = 8000
    primary_url: str | None = None
    pooler_url: str | None = None
    replica_urls: tuple[str, ...] = ()
    redis_url: str | None = None
    egress_allow: tuple[str, ...] = ()
    egress_deny: tuple[str, ...] = ()
    egress_proxy: str | None = None
    name_servers: tuple[str, ...] = ()
    retention_days: int = 30
    pool_size: int = 20
    processes: int = 0
    cors_origins: tuple[str, ...] = ()
    tls: bool = False
    metrics_port: int = 0
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_algorithms: tuple[_ALGORITHMS, ...] = ("RS256", "ES256", "EdDSA")
    encryption_keys: tuple[str, ...] = ()
    log_level: str = "info"

    def shard_urls(self) -> ShardUrls:
        """Where the servers are.

        Raises:
            SettingsError: When they are not set.
        """
        if self.primary_url is None or self.redis_url is None:
            raise SettingsError(
                "Set TOCSIN_PRIMARY_URL and TOCSIN_REDIS_URL, or start everything with `tocsin up`:"
                f" no servers of ours run in {self.data_dir}."
            )
        return ShardUrls(
            primary=self.primary_url,
            pooler=self.pooler_url,
            replicas=self.replica_urls,
            redis=self.redis_url,
        )

    def egress(self) -> Egress:
        """Where targets may lie.

        Raises:
            SettingsError: When a network is none.
        """
        try:
            return parse_egress(self.egress_allow, self.egress_deny)
        except ValueError as error:
            raise SettingsError(
                f"Bad TOCSIN_EGRESS_ALLOW or TOCSIN_EGRESS_DENY: {error}."
            ) from None

    def allowed(self) -> Allowed:
        """What targets may be.

        Raises:
            SettingsError: When a setting of some kind of target makes no sense.
        """
        egress = self.egress()
        try:
            return allowed_by(self, egress)
        except ValueError as error:
            raise SettingsError(str(error)) from None

    def encryption(self) -> EncryptionKeys:
        """What secrets are encrypted with.

        Raises:
            SettingsError: When an entry makes no sense; it tells which, and nothing of a key.
        """
        try:
            return parse_encryption_keys(self.encryption_keys)
        except BadEncryptionKeys as error:
            raise SettingsError(f"Bad TOCSIN_ENCRYPTION_KEYS: {error}.") from None

    @property
    def processes_of_a_kind(self) -> int:
        """API processes, and worker processes, that `up` starts."""
        return self.processes or min(os.cpu_count() or 1, MOST_PROCESSES)

    @property
    def retention(self) -> timedelta:
        """How long history is kept."""
        return timedelta(days=self.retention_days)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from environment variables; empty ones count as not set.

    Raises:
        SettingsError: When a value does not fit its field.
    """
    values: dict[str, object] = {}
    for name in Settings.__struct_fields__:
        text = environment.get(PREFIX + name.upper(), "").strip()
        if text:
            values[name] = [part.strip() for part in text.split(",")] if name in _LISTS else text
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SettingsError(f"Bad {PREFIX}* environment variable: {error}") from None
    _check_redis(settings)
    _check_provider(settings)
    _check_origins(settings)
    _check_proxy(settings)
    _check_name_servers(settings)
    return settings


def _check_redis(settings: Settings) -> None:
    try:
        parse_sentinels(settings.redis_url or "redis://")
    except BadRedisUrl as error:
        raise SettingsError(f"Bad TOCSIN_REDIS_URL: {error}.") from None


def _check_provider(settings: Settings) -> None:
    issuer = settings.oidc_issuer
    if (issuer is None) != (settings.oidc_audience is None):
        raise SettingsError("Set TOCSIN_OIDC_ISSUER and TOCSIN_OIDC_AUDIENCE together.")
    url = urlsplit(issuer or "https://")
    if url.scheme != "https" and url.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise SettingsError("TOCSIN_OIDC_ISSUER must begin with https://.")


def _check_origins(settings: Settings) -> None:
    for origin in settings.cors_origins:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"{PREFIX}CORS_ORIGINS names {origin!r}; an origin is like https://console.example,"
                " in lower case, with a port if it is not the usual one, and nothing behind it."
            )


def _check_proxy(settings: Settings) -> None:
    url = urlsplit(settings.egress_proxy or "http://proxy")
    if url.scheme != "http" or not url.hostname:
        raise SettingsError("TOCSIN_EGRESS_PROXY must be like http://proxy.example:3128.")


def _check_name_servers(settings: Settings) -> None:
    for text in settings.name_servers:
        try:
            url = urlsplit(f"//{text}" if text.count(":") < 2 or "[" in text else f"//[{text}]")
            ip_address(url.hostname or "")
            _ = url.port
        except ValueError:
            raise SettingsError(
                "TOCSIN_NAME_SERVERS must be like 192.0.2.53,[2001:db8::53]:5353."
            ) from None


def _decode(kind: type, value: object) -> object:
    return kind(value)
