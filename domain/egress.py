"""Where targets may lie: public addresses, and what the operator allows or denies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from msgspec import Struct

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_ENDS_IN_IPV4 = (ip_network("::/96"), ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
# Not for everybody to reach, though Python's tables, of several ages, may call it global.
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # Teredo, which leads to an IPv4 address, and other protocols
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local
    )
)
_HOST_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


class Egress(Struct, frozen=True):
    """The operator's rules. What is denied is denied even if it is allowed.

    Attributes:
        allowed: Networks that targets may lie in beside public addresses.
        denied: Networks that they may not lie in.
        denied_hosts: Names; `*.` before one means all below it.
    """

    allowed: tuple[Network, ...] = ()
    denied: tuple[Network, ...] = ()
    denied_hosts: tuple[str, ...] = ()

    def permits(self, text: str) -> bool:
        """Whether an address may be connected to; a zone is no part of it."""
        written = ip_address(text.partition("%")[0])
        address = _disguised(written)
        if _within(written, self.denied) or _within(address, self.denied):
            return False
        return _within(address, self.allowed) or _is_public(address)

    def denies_host(self, host: str) -> bool:
        """Whether a name is denied, however it is resolved.

        Args:
            host: In ASCII, as it is resolved.
        """
        name = host.rstrip(".").casefold()
        return any(
            name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern
            for pattern in self.denied_hosts
        )


def parse_egress(allow: Iterable[str], deny: Iterable[str]) -> Egress:
    """Rules from networks in CIDR notation, and to deny also names.

    Raises:
        ValueError: When a text is neither.
    """
    denied, hosts = [], []
    for text in deny:
        if _HOST_PATTERN.fullmatch(text.casefold()) and not _is_address(text):
            hosts.append(text.casefold())
        else:
            denied.append(ip_network(text))
    return Egress(tuple(ip_network(text) for text in allow), tuple(denied), tuple(hosts))


def _is_address(text: str) -> bool:
    return text.rpartition(".")[2].isdecimal()


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not _within(address, _NOT_PUBLIC)


def _disguised(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if _within(address, _ENDS_IN_IPV4):
        # `::1` and `::` are addresses of their own.
        return IPv4Address(address.packed[-4:]) if int(address) > 1 else address
    return address.ipv4_mapped or address.sixtofour or address
