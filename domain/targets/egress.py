"""Where targets may lie: public addresses, and what the operator allows or denies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from msgspec import Struct

from domain.targets.networks import Network, carried_by, is_public, unmapped, within

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
        """Whether an address may be connected to; a zone is no part of it.

        One that carries another may be only where its network is allowed, and the other may be.
        """
        written = ip_address(text.partition("%")[0])
        address = unmapped(written)
        if within(written, self.denied) or within(address, self.denied):
            return False
        carried = carried_by(address)
        if carried is not None and not self.permits(str(carried)):
            return False
        return within(address, self.allowed) or is_public(address)

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
