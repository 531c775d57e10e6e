"""What names a Redis, or the Sentinels that know where it is."""

from __future__ import annotations

import pytest

from app.settings import SettingsError, read_settings
from storage.urls import Sentinels, parse_sentinels, redis_database


def test_a_url_with_all_that_may_be_in_it() -> None:
    url = (
        "redis+sentinel://some:p%40ss@one:1,two,[::1]:3/the-service/4"
        "?sentinel_username=else&sentinel_password=%3Dword"
    )
    assert parse_sentinels(url) == Sentinels(
        addresses=(("one", 1), ("two", 26379), ("::1", 3)),
        service="the-service",
        database=4,
        login={"username": "some", "password": "p@ss"},
        sentinel_login={"username": "else", "password": "=word"},
    )


def test_a_url_with_no_more_than_it_needs() -> None:
    assert parse_sentinels("redis+sentinel://one/s") == Sentinels(
        addresses=(("one", 26379),), service="s"
    )


@pytest.mark.parametrize("url", ["redis://:secret@host:6379/3", "rediss://host", "unix:///socket"])
def test_a_redis_needs_no_sentinels(url: str) -> None:
    assert parse_sentinels(url) is None


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("redis://:p@host:6379", "redis://:p@host:6379/1"),
        ("redis://:p@host:6379/4", "redis://:p@host:6379/5"),
        ("redis+sentinel://:p@a:1,b:2/s?sentinel_password=q", None),
        ("redis+sentinel://:p@a:1,b:2/s/0?sentinel_password=q", None),
    ],
)
def test_each_database_has_a_url(url: str, other: str | None) -> None:
    expected = other or "redis+sentinel://:p@a:1,b:2/s/1?sentinel_password=q"
    assert redis_database(url, 1) == expected


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://:secret@host", "begins neither with redis:// nor"),
        ("host:6379", "begins neither with redis:// nor"),
        ("redis+sentinel://:secret@a:1,b:2", "must name the service"),
        ("redis+sentinel://:secret@a:1/", "must name the service"),
        ("redis+sentinel://:secret@a:1/s/first", "number of a database, not 'first'"),
        ("redis+sentinel://:secret@a:1,,b:2/s", "'' is no host"),
        ("redis+sentinel://:secret@/s", "'' is no host"),
        ("redis+sentinel://:secret@a:port/s", "'a:port' has no port"),
        ("redis+sentinel://:secret@a:99999/s", "'a:99999' has no port"),
        ("redis+sentinel://:secret@a:1/s?db=2", "as options, not 'db'"),
    ],
)
def test_what_is_wrong_is_told_without_the_password(url: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=r"Bad TOCSIN_REDIS_URL: ") as error:
        read_settings({"TOCSIN_REDIS_URL": url})
    assert complaint in str(error.value)
    assert "secret" not in str(error.value)
