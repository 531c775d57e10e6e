"""Hosts that programs read differently are refused before anything is stored."""

from __future__ import annotations

import pytest

from app.settings import SettingsError, read_settings
from domain.errors import Invalid
from domain.targets import Allowed, check_target
from domain.targets.egress import Egress, parse_egress
from domain.targets.kinds.http import HttpTarget

PUBLIC_ONLY = Egress()


def refuse(url: str, egress: Egress = PUBLIC_ONLY) -> str:
    with pytest.raises(Invalid) as refusal:
        check_target(HttpTarget(url=url), Allowed(http=egress))
    assert refusal.value.pointer == "/url"
    return refusal.value.detail


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",  # 127.0.0.1 in one number
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "00000177.0.0.01",
        "127.0.0.1.",
        "256.0.0.1",
        "1.2.3.4.5",
        "example.0x7f",
        "\N{FULLWIDTH DIGIT ONE}27.1",
        "127\N{IDEOGRAPHIC FULL STOP}1",
        "%31%32%37.0.0.1",
        "[fe80::1%25lo]",
        "[fe80::1%lo]",
        "[v1.a]",
        "a..b",
        ".a",
        "-a.example",
        "a" * 64 + ".example",
        "a%00b",
        "a,b",
    ],
)
def test_a_host_in_disguise_is_refused_whatever_is_allowed(host: str):
    refuse(f"http://{host}/", parse_egress(["0.0.0.0/0", "::/0"], []))


@pytest.mark.parametrize("character", [" ", "\n", "\t", "\x7f"])
def test_what_must_be_percent_encoded_is_told_as_such(character: str):
    assert "percent-encode" in refuse(f"https://a.example/a?b={character}c")


@pytest.mark.parametrize("authority", ["a@b", "a:b@c", "@h", ":@h", "127.0.0.1%2f@h", "a@b@c"])
def test_what_stands_before_an_at_sign_is_refused(authority: str):
    assert "credentials" in refuse(f"http://{authority}/")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fd00:ec2::254]",
        "\N{FULLWIDTH DIGIT ONE}27.0.0.1",
        "127\N{IDEOGRAPHIC FULL STOP}0.0\N{HALFWIDTH IDEOGRAPHIC FULL STOP}1",
    ],
)
def test_an_address_that_is_not_public_is_refused_if_it_is_not_allowed(host: str):
    assert "operator" in refuse(f"http://{host}:8080/")


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8",
        "[2606:4700:4700::1111]",
        "10.1.2.3",
        "example.com",
        "example.com.",
        "a_b",
        "localhost",
        "b\u00fccher.example",
        "xn--bcher-kva.example",
        "1.example",
        "0x.example",
    ],
)
def test_the_others_are_taken(host: str):
    check_target(HttpTarget(url=f"http://{host}/"), Allowed(http=parse_egress(["10.0.0.0/8"], [])))


@pytest.mark.parametrize(
    "host",
    [
        "db.internal",
        "DB.Internal",
        "db.internal.",
        "d\uff42.internal",
        "a.b.corp",
        "x.corp",
        "x\u3002corp",
        "8.8.8.8",
        "10.0.0.1",
        "[64:ff9b::808:808]",
    ],
)
def test_a_denied_host_is_refused(host: str):
    rules = parse_egress(["10.0.0.0/8"], ["db.internal", "*.corp", "8.8.8.0/24", "10.0.0.1/32"])
    refuse(f"http://{host}/", rules)


@pytest.mark.parametrize("host", ["internal", "xdb.internal", "corp", "a.corp.example", "10.0.0.2"])
def test_a_denied_host_denies_no_other(host: str):
    rules = parse_egress(["10.0.0.0/8"], ["db.internal", "*.corp", "10.0.0.1/32"])
    check_target(HttpTarget(url=f"http://{host}/"), Allowed(http=rules))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EGRESS_ALLOW", "10.0.0.0/99"),
        ("EGRESS_ALLOW", "example.com"),
        ("EGRESS_DENY", "10.0.0.300"),
        ("EGRESS_DENY", "*"),
        ("EGRESS_DENY", "a b"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(name: str, text: str):
    with pytest.raises(SettingsError, match="EGRESS"):
        read_settings({f"TOCSIN_{name}": text}).egress()


@pytest.mark.parametrize("text", ["192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[::1]:53"])
def test_a_name_server_is_an_address_with_or_without_a_port(text: str):
    assert read_settings({"TOCSIN_NAME_SERVERS": text}).name_servers == (text,)


@pytest.mark.parametrize("text", ["dns.example", "192.0.2.53:x", "192.0.2.53:99999", "192.0.2"])
def test_a_name_server_that_is_none_is_refused(text: str):
    with pytest.raises(SettingsError, match="NAME_SERVERS"):
        read_settings({"TOCSIN_NAME_SERVERS": text})


@pytest.mark.parametrize("text", ["proxy:3128", "socks5://proxy", "http://", "https://proxy"])
def test_a_proxy_that_is_none_is_refused(text: str):
    with pytest.raises(SettingsError, match="PROXY"):
        read_settings({"TOCSIN_EGRESS_PROXY": text})
