"""Networks that are not everybody's to reach, from the registries' tables and clouds' manuals."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA, "IPv4 Special-Purpose Address Registry" and "IPv4 Multicast Address Space Registry". Rows
# that the registry calls globally reachable (AS112 and AMT, which are nobody's targets) are left.
SPECIAL_IPV4 = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private use
    "100.64.0.0/10",  # shared by carriers and their customers, and by clouds
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local, metadata of clouds
    "172.16.0.0/12",  # private use
    "192.0.0.0/24",  # protocol assignments, metadata of a cloud
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",  # private use
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
)
# IANA, "IPv6 Global Unicast Address Assignments": whatever lies outside is nobody's to reach.
UNICAST_IPV6 = ip_network("2000::/3")
# IANA, "IPv6 Special-Purpose Address Registry": its rows inside of that.
SPECIAL_IPV6 = (
    "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID, ...
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4
    "3fff::/20",  # documentation
)
# Routable as it seems, and led by the cloud to services of its own.
CLOUDS = (
    "168.63.129.16/32",  # Azure: the platform's agent, DNS and DHCP
    "34.126.0.0/18",  # Google: direct connectivity to APIs
    "35.199.192.0/19",  # Google: forwarding of DNS
    "199.36.153.4/30",  # Google: restricted.googleapis.com
    "199.36.153.8/30",  # Google: private.googleapis.com
    "2001:4860:8040::/42",  # Google: direct connectivity to APIs
    "2600:2d00:2:1000::/56",  # Google: restricted.googleapis.com
    "2600:2d00:2:2000::/56",  # Google: private.googleapis.com
    "161.26.0.0/16",  # IBM: infrastructure services
    "166.8.0.0/14",  # IBM: service endpoints
)
# What translators and tunnels make IPv4 of: the last 32 bits.
CARRIERS = (
    "::/96",  # IPv4-compatible
    "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
    "64:ff9b::/96",  # NAT64 (RFC 6052)
    "64:ff9b:1::/48",  # NAT64 of the operator's own (RFC 8215)
)
_ISATAP = (0x00005EFE, 0x02005EFE)

_REFUSED = tuple(ip_network(text) for text in (*SPECIAL_IPV4, *SPECIAL_IPV6, *CLOUDS))
_CARRIERS = tuple(ip_network(text) for text in CARRIERS)


def within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks."""
    return any(address in network for network in networks if network.version == address.version)


@lru_cache(10_000)
def is_public(address: Address) -> bool:
    """Whether everybody may reach an address; one that carries another never is."""
    if carried_by(address) is not None or within(address, _REFUSED):
        return False
    if isinstance(address, IPv6Address) and address not in UNICAST_IPV6:
        return False
    # Python's own tables may be younger than these.
    return address.is_global and not address.is_multicast


def unmapped(address: Address) -> Address:
    """An address as the system connects to it: an IPv4-mapped one is IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def carried_by(address: Address) -> IPv4Address | None:
    """The IPv4 address that a translator or a tunnel makes of an IPv6 one, if any does."""
    if isinstance(address, IPv4Address):
        return None
    if within(address, _CARRIERS):
        # `::1` and `::` are addresses of their own.
        return IPv4Address(address.packed[-4:]) if int(address) > 1 else None
    if int.from_bytes(address.packed[8:12]) in _ISATAP:
        return IPv4Address(address.packed[-4:])
    return address.sixtofour or (address.teredo[1] if address.teredo else None)
