"""Embedded servers start from nothing, keep what they hold, and are closed to strangers."""

from __future__ import annotations

import stat
from pathlib import Path

import asyncpg
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from storage.embedded.servers import EmbeddedServers
from tests.embedded.databases import ask, replica_catches_up, rows_on_replica


def test_data_outlives_a_restart_and_the_replica_follows_to_new_ports(data_dir: Path) -> None:
    with EmbeddedServers(data_dir) as first:
        replica_catches_up(first)
        with Redis.from_url(f"{first.urls.redis}/3") as redis:
            redis.set("kept", "yes")
    with EmbeddedServers(data_dir) as second:
        assert second.primary.port != first.primary.port
        assert rows_on_replica(second) == 1
        replica_catches_up(second)
        with Redis.from_url(f"{second.urls.redis}/3") as redis:
            assert redis.get("kept") == b"yes"


def test_what_is_shipped_is_durable(data_dir: Path) -> None:
    with EmbeddedServers(data_dir) as servers:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(servers.urls.primary, f"SHOW {name}") == "on"
        assert ask(servers.urls.primary, "SHOW server_encoding") == "UTF8"
        with Redis.from_url(servers.urls.redis) as redis:
            assert redis.config_get("append*")["appendonly"] == "yes"
            assert redis.config_get("append*")["appendfsync"] == "everysec"


def test_a_replica_refuses_writes(data_dir: Path) -> None:
    with (
        EmbeddedServers(data_dir, durable=False) as servers,
        pytest.raises(asyncpg.ReadOnlySQLTransactionError),
    ):
        ask(servers.urls.replicas[0], "CREATE TABLE refused (id int)")


def test_nobody_enters_without_the_password(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False) as servers:
        for url in (servers.urls.primary, *servers.urls.replicas):
            with pytest.raises(asyncpg.InvalidPasswordError):
                ask(url.replace(servers.primary._site.passwords.application, "guess"), "SELECT 1")
        with (
            Redis(port=servers.valkey.port) as redis,
            pytest.raises(AuthenticationError, match="required"),
        ):
            redis.ping()
        passwords = servers._home / "passwords.json"
        assert stat.S_IMODE(passwords.stat().st_mode) == 0o600


def test_the_application_is_no_superuser_but_may_create_databases(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False) as servers:
        role = "SELECT rolsuper::text || rolcreatedb::text FROM pg_roles WHERE rolname = user"
        assert ask(servers.urls.primary, role) == "falsetrue"


def test_remove_leaves_nothing(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False) as servers:
        home = servers._home
    servers.remove()
    assert not home.exists()
    assert not (data_dir / "servers").exists()
