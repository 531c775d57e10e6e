"""Embedded servers start from nothing, keep what they hold, and are closed to strangers."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from app.embedded.processes import command_line
from app.embedded.servers import EmbeddedServers
from tests.embedded.databases import ask, replica_catches_up, rows_on_replica


def test_data_outlives_a_restart_and_the_replica_follows_to_new_ports(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False) as first:
        replica_catches_up(first)
        with Redis.from_url(f"{first.urls.redis}/3") as redis:
            redis.set("kept", "yes")
    with EmbeddedServers(data_dir, durable=False) as second:
        assert second.primary.port != first.primary.port
        assert rows_on_replica(second) == 1
        replica_catches_up(second)
        with Redis.from_url(f"{second.urls.redis}/3") as redis:
            assert redis.get("kept") == b"yes"


def test_what_is_shipped_is_durable(shipped_servers: EmbeddedServers) -> None:
    urls = shipped_servers.urls
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert ask(urls.primary, f"SHOW {name}") == "on"
    with Redis.from_url(urls.redis) as redis:
        persistence = redis.config_get("append*")
    assert persistence["appendonly"] == "yes"
    assert persistence["appendfsync"] == "everysec"


def test_text_is_utf8_and_time_is_utc(shipped_servers: EmbeddedServers) -> None:
    assert ask(shipped_servers.urls.primary, "SHOW server_encoding") == "UTF8"
    assert ask(shipped_servers.urls.primary, "SHOW timezone") == "UTC"


def test_a_replica_refuses_writes(shipped_servers: EmbeddedServers) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        ask(shipped_servers.urls.replicas[0], "CREATE TABLE refused (id int)")


def test_nobody_enters_without_the_password(shipped_servers: EmbeddedServers) -> None:
    password = shipped_servers.primary._site.passwords.application
    for url in (shipped_servers.urls.primary, *shipped_servers.urls.replicas):
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(url.replace(password, "guess"), "SELECT 1")
    with Redis(port=shipped_servers.valkey.port) as redis, pytest.raises(AuthenticationError):
        redis.ping()


def test_the_passwords_are_private(shipped_servers: EmbeddedServers) -> None:
    home = shipped_servers._home
    for kept in (home / "passwords.json", home / "replication.pgpass"):
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_servers_listen_on_the_loopback_address_only(shipped_servers: EmbeddedServers) -> None:
    for server in shipped_servers.servers:
        listening = {
            (connection.laddr.ip, connection.laddr.port)
            for connection in psutil.Process(server.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {("127.0.0.1", server.port)}


def test_the_application_is_no_superuser_but_may_create_databases(
    shipped_servers: EmbeddedServers,
) -> None:
    role = "SELECT rolsuper::text || rolcreatedb::text FROM pg_roles WHERE rolname = user"
    assert ask(shipped_servers.urls.primary, role) == "falsetrue"


def test_remove_leaves_nothing(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False) as servers:
        home = servers._home
    servers.remove()
    assert not home.exists()
    assert not (data_dir / "servers").exists()


class Replaced:
    """A pid file that another one replaces between two reads."""

    def __init__(self, *told: tuple[int, str]) -> None:
        self._texts = ["\n".join([str(pid), *"123456", status]) for pid, status in told]

    def read_text(self) -> str:
        return self._texts.pop(0)


@pytest.mark.parametrize(
    ("told", "is_ready"),
    [
        ([(os.getpid(), "ready   ")], True),
        ([(os.getpid(), "starting")], False),
        ([(0, "ready   "), (os.getpid(), "starting")], False),
    ],
)
def test_what_a_killed_server_said_does_not_count_for_the_next(
    told: list[tuple[int, str]], is_ready: bool, data_dir: Path
) -> None:
    primary = EmbeddedServers(data_dir, durable=False).primary
    primary.directory = Path(command_line(os.getpid())[0])  # this process is taken for the server
    primary.pid_file = Replaced(*told)
    assert primary.is_ready() == is_ready
