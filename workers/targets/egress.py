"""Which addresses Tocsin may connect to on a service's behalf."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from aiohappyeyeballs import AddrInfoType

Network = IPv4Network | IPv6Network
_ENDS_IN_IPV4 = (ip_network("::/96"), ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))


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
    address = _disguised(ip_address(text.partition("%")[0]))
    if any(address in network for network in allowed if network.version == address.version):
        return True
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not address.is_multicast and not site_local


def _disguised(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one leads to, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if any(address in network for network in _ENDS_IN_IPV4):
        # `::1` and `::` are addresses of their own.
        return IPv4Address(address.packed[-4:]) if int(address) > 1 else address
    return address.ipv4_mapped or address.sixtofour or address
