"""Applies the operator's egress rules at the moment that a connection is made."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from aiohappyeyeballs import AddrInfoType

from domain.targets.egress import Egress


class EgressRefused(OSError):
    """The operator does not allow the target's host, or the address that it resolves to."""


def guarded_socket(egress: Egress) -> Callable[[AddrInfoType], socket.socket]:
    """A socket factory that checks the very address that is connected to.

    The check comes after the name was resolved and just before the connection is made, so that a
    name that resolves differently the next time gains nothing.
    """

    def make(address_info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = address_info
        if not egress.permits(str(address[0])):
            raise _refused(str(address[0]))
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    return make


def check_host(host: str, egress: Egress) -> None:
    """Refuse a host whose name is denied, whatever it resolves to.

    Raises:
        EgressRefused: When the name is denied.
    """
    if egress.denies_host(host):
        raise EgressRefused(f"The target's host {host} is not allowed.")


def permitted(egress: Egress, addresses: Iterable[str]) -> str:
    """The first address that may be called, for a proxy that connects on our behalf.

    Raises:
        EgressRefused: When there is none.
    """
    tried = []
    for address in addresses:
        if egress.permits(address):
            return address
        tried.append(address)
    raise _refused(", ".join(tried))


def _refused(address: str) -> EgressRefused:
    return EgressRefused(f"The target's address {address} is not allowed.")
