"""Which addresses Tocsin may connect to on a service's behalf."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from aiohappyeyeballs import AddrInfoType

Network = IPv4Network | IPv6Network


class EgressRefused(OSError):
    """The target's name leads to an address that the operator does not allow."""


def networks(text: Sequence[str]) -> list[Network]:
    """Networks in CIDR notation."""
    return [ip_network(one) for one in text]


def guarded_socket(allowed: Sequence[Network]) -> Callable[[AddrInfoType], socket.socket]:
    """A socket factory that sees the very address that is connected to.

    The check comes after the name was resolved and before the connection is made, with nothing
    in between, so a name that changes its mind gains nothing. Loopback, private, link-local,
    metadata and multicast addresses are refused unless `allowed` holds them.
    """

    def make(address_info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = address_info
        if not _permitted(str(address[0]), allowed):
            raise EgressRefused(f"The target's address {address[0]} is not allowed.")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    return make


def _permitted(text: str, allowed: Sequence[Network]) -> bool:
    address = ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    plain = mapped or address
    if any(plain in network for network in allowed if network.version == plain.version):
        return True
    return plain.is_global and not plain.is_multicast
