"""Which addresses may be connected to."""

from __future__ import annotations

import socket

import pytest

from domain.egress import parse_egress
from workers.targets.egress import EgressRefused, guarded_socket


def connect_to(address: str, allowed: list[str], denied: list[str] | None = None) -> None:
    """Ask for a socket as the HTTP client does, after the name was resolved."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    rest = (0, 0) if ":" in address else ()
    info = (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 80, *rest))
    guarded_socket(parse_egress(allowed, denied or []))(info).close()


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"],
)
def test_public_addresses_are_connected_to(address: str):
    connect_to(address, [])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",  # carriers' and clouds' shared addresses
        "169.254.169.254",  # metadata
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "fe80::1",
        "fe80::1%lo",
        "fc00::1",
        "fd00:ec2::254",  # metadata
        "ff02::1",
        "2001:db8::1",
    ],
)
def test_other_addresses_are_refused(address: str):
    with pytest.raises(EgressRefused, match="not allowed"):
        connect_to(address, [])


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::169.254.169.254",  # NAT64
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",  # 6to4 of 127.0.0.1
        "::127.0.0.1",
        "::ffff:7f00:1",
        "64:ff9b:1::7f00:1",
        "2001:0:7f00:1::",  # Teredo
        "2001:0:808:808::1",
        "fec0::1",  # site-local
        "192.0.0.8",
        "192.88.99.1",
        "3fff::1",
    ],
)
def test_private_addresses_in_disguise_are_refused(address: str):
    with pytest.raises(EgressRefused):
        connect_to(address, [])


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("::ffff:127.0.0.1", "127.0.0.0/8"),
        ("::1", "::1/128"),
        ("10.1.2.3", "10.0.0.0/8"),
        ("fe80::1%lo", "fe80::/10"),
    ],
)
def test_an_operator_may_allow_a_network(address: str, allowed: str):
    connect_to(address, [allowed])


@pytest.mark.parametrize(
    ("address", "denied"),
    [
        ("8.8.8.8", "8.8.8.0/24"),
        ("::ffff:8.8.8.8", "8.8.8.0/24"),
        ("64:ff9b::808:808", "8.8.8.0/24"),
        ("2002:808:808::", "8.8.8.0/24"),
        ("2002:808:808::", "2002::/16"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("::1", "::/0"),
    ],
)
def test_what_is_denied_is_denied_though_it_is_allowed(address: str, denied: str):
    allowed = ["127.0.0.0/8", "::1/128", "8.0.0.0/8", "2002::/16"]
    connect_to(address, allowed)
    with pytest.raises(EgressRefused):
        connect_to(address, allowed, [denied])


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("10.1.2.3", "10.0.0.0/16"), ("::1", "127.0.0.0/8"), ("127.0.0.1", "::/0")],
)
def test_an_allowed_network_allows_nothing_else(address: str, allowed: str):
    with pytest.raises(EgressRefused):
        connect_to(address, [allowed])


def test_a_refusal_is_an_error_of_the_connection_and_names_the_address():
    with pytest.raises(OSError, match=r"169\.254\.169\.254"):
        connect_to("169.254.169.254", [])


def test_a_socket_does_not_block_the_event_loop():
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("8.8.8.8", 80))
    with guarded_socket(parse_egress([], []))(info) as made:
        assert made.getblocking() is False
