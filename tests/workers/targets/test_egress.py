"""Which addresses may be connected to."""

from __future__ import annotations

import socket

import pytest

from domain.targets.egress import parse_egress
from workers.targets.http.egress import EgressRefused, guarded_socket


def connect_to(address: str, allowed: list[str], denied: list[str] | None = None) -> None:
    """Ask for a socket as the HTTP client does, after the name was resolved."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    rest = (0, 0) if ":" in address else ()
    info = (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 80, *rest))
    guarded_socket(parse_egress(allowed, denied or []))(info).close()


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.32.0.1",
        "168.63.129.17",
        "199.36.153.3",
        "2606:4700:4700::1111",
        "2600:2d00:2:3000::1",
        "2a00:1450:4001:80b::5efe",  # no ISATAP: it ends so by chance
        "::ffff:8.8.8.8",
    ],
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


@pytest.mark.promise("egress")
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


# One address of each row of the registries' tables and of what clouds document; where a network
# carries IPv4 addresses, a public one.
ROWS = {
    "this network": "0.1.2.3",
    "private use, 10": "10.255.255.254",
    "shared": "100.127.255.254",
    "loopback": "127.1.2.3",
    "link-local": "169.254.1.2",
    "private use, 172": "172.31.255.254",
    "protocol assignments": "192.0.0.8",
    "documentation, 1": "192.0.2.77",
    "6to4 relays": "192.88.99.77",
    "private use, 192": "192.168.77.77",
    "benchmarks": "198.19.255.254",
    "documentation, 2": "198.51.100.77",
    "documentation, 3": "203.0.113.77",
    "multicast": "233.252.0.1",
    "reserved": "250.1.2.3",
    "broadcast": "255.255.255.255",
    "IPv4-compatible": "::8.8.8.8",
    "IPv4-translated": "::ffff:0:8.8.8.8",
    "NAT64": "64:ff9b::8.8.8.8",
    "NAT64 of the operator's own": "64:ff9b:1::8.8.8.8",
    "discard only": "100::77",
    "dummy prefix": "100:0:0:1::77",
    "protocol assignments of IPv6": "2001:1ff::77",
    "Teredo": "2001:0:808:808::f7f7:f7f7",
    "benchmarks of IPv6": "2001:2::77",
    "ORCHID": "2001:20::77",
    "documentation of IPv6": "2001:db8::77",
    "6to4": "2002:808:808::1",
    "documentation of IPv6, 2": "3fff::77",
    "not allotted": "4000::77",
    "segment routing": "5f00::77",
    "unique local": "fd12:3456::77",
    "link-local of IPv6": "fe80::77",
    "site-local": "fec0::77",
    "multicast of IPv6": "ff0e::77",
    "ISATAP": "2606:4700::5efe:808:808",
    "ISATAP, by a unique address": "2606:4700::200:5efe:808:808",
    "Azure": "168.63.129.16",
    "Google, direct connectivity": "34.126.63.254",
    "Google, DNS": "35.199.223.254",
    "Google, restricted": "199.36.153.7",
    "Google, private": "199.36.153.11",
    "Google, direct connectivity by IPv6": "2001:4860:8040::77",
    "Google, restricted by IPv6": "2600:2d00:2:1000::77",
    "Google, private by IPv6": "2600:2d00:2:2000::77",
    "IBM, infrastructure": "161.26.77.77",
    "IBM, services": "166.11.77.77",
}


@pytest.mark.parametrize("address", ROWS.values(), ids=ROWS)
def test_no_row_is_public_and_an_operator_may_allow_each(address: str):
    with pytest.raises(EgressRefused):
        connect_to(address, [])
    connect_to(
        address, [f"{address}/32" if "." in address and ":" not in address else f"{address}/128"]
    )


@pytest.mark.parametrize(
    ("carrier", "network"),
    [
        ("::ffff:0:10.1.2.3", "::ffff:0:0:0/96"),
        ("64:ff9b::10.1.2.3", "64:ff9b::/96"),
        ("64:ff9b:1::10.1.2.3", "64:ff9b:1::/48"),
        ("2002:a01:203::1", "2002::/16"),
        ("2001:0:808:808::f5fe:fdfc", "2001::/32"),
        ("fd00::5efe:a01:203", "fd00::/8"),
        ("fd00::200:5efe:a01:203", "fd00::/8"),
    ],
)
def test_where_a_carrier_is_allowed_what_it_carries_has_to_be_allowed_too(
    carrier: str, network: str
):
    for allowed in ([network], ["10.0.0.0/8"]):
        with pytest.raises(EgressRefused):
            connect_to(carrier, allowed)
    connect_to(carrier, [network, "10.0.0.0/8"])
    with pytest.raises(EgressRefused):
        connect_to(carrier, [network, "10.0.0.0/8"], ["10.1.2.3/32"])


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
    allowed = ["127.0.0.0/8", "::1/128", "8.0.0.0/8", "64:ff9b::/96", "2002::/16"]
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
