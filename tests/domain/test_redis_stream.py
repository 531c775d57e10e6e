"""Which streams of which Redis a target may name."""

from __future__ import annotations

import pytest

from domain.errors import Invalid
from domain.targets import Allowed, check_target
from domain.targets.kinds.redis_stream import RedisStreamTarget, read_servers

SENTINELS = ("ha=redis+sentinel://s1:26379", "s2:26379/main/0#jobs")
ALLOWED = Allowed(
    redis_stream=read_servers(
        ["orders=redis://:p%2Cw@redis:6379/0#orders:*|audit", "other=rediss://h#*", *SENTINELS]
    )
)


def test_a_setting_names_servers_and_their_streams():
    servers = ALLOWED.redis_stream
    assert list(servers) == ["orders", "other", "ha"]
    assert servers["orders"].url == "redis://:p%2Cw@redis:6379/0"
    assert servers["ha"].url == "redis+sentinel://s1:26379,s2:26379/main/0"


def test_a_password_is_not_shown_where_settings_are():
    assert "p%2Cw" not in repr(ALLOWED)


@pytest.mark.parametrize(
    "entry",
    [
        "redis://:secret@h:1#x",
        "a=redis://:secret@h:1",
        "a=redis://:secret@#x",
        "a=http://:secret@h#x",
        "a b=redis://:secret@h#x",
        "a=redis://:secret@h#",
        "a=redis://:secret@h#x|",
        "a=redis://:secret@h#x y",
        "a=redis://:secret@[h#x",
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_without_its_password(entry: str):
    with pytest.raises(ValueError, match="entry 2 must be like") as refusal:
        read_servers(["ok=redis://h#x", entry])
    assert "secret" not in str(refusal.value)


def test_a_server_stands_in_a_setting_once():
    with pytest.raises(ValueError, match="'a' stands there twice"):
        read_servers(["a=redis://h#x", "a=redis://h#y"])


@pytest.mark.parametrize(
    ("server", "stream"), [("orders", "orders:due"), ("orders", "audit"), ("other", "x.y[*]")]
)
def test_an_allowed_stream(server: str, stream: str):
    check_target(RedisStreamTarget(server=server, stream=stream), ALLOWED)


@pytest.mark.parametrize(
    ("target", "pointer", "problem"),
    [
        ({"server": "none"}, "/server", "allowed are: ha, orders, other"),
        ({"stream": "orders"}, "/stream", r"allowed are: orders:\*, audit"),
        ({"stream": "audit:x"}, "/stream", "allowed are"),
        ({"stream": "xorders:a"}, "/stream", "allowed are"),
        ({"stream": "orders:a b"}, "/stream", "printable ASCII"),
        ({"stream": "orders:" + "x" * 250}, "/stream", "1 to 256"),
        ({"max_length": 0}, "/max_length", "from 1 to"),
        ({"max_length": 1_000_000_001}, "/max_length", "from 1 to"),
    ],
)
def test_what_is_not_allowed_is_refused(target: dict[str, object], pointer: str, problem: str):
    sent = {"server": "orders", "stream": "orders:due", **target}
    with pytest.raises(Invalid, match=problem) as refusal:
        check_target(RedisStreamTarget(**sent), ALLOWED)  # type: ignore[arg-type]
    assert refusal.value.pointer == pointer


def test_nothing_is_allowed_unless_an_operator_says_so():
    with pytest.raises(Invalid, match="allowed are: none"):
        check_target(RedisStreamTarget(server="orders", stream="x"), Allowed())
