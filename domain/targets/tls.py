"""How an HTTPS target is known: by an authority of its own, instead of those that all trust."""

from __future__ import annotations

import ssl
from typing import Annotated

from msgspec import Meta, Struct

from domain.errors import Invalid

MAX_CA_CHARACTERS = 16_384


class Tls(Struct, frozen=True, kw_only=True):
    """What TLS is checked against.

    Attributes:
        ca: Certificates of the only authorities to trust, in PEM.
    """

    ca: str

    def check(self, url: str) -> None:
        """Refuse what could never be checked.

        Raises:
            Invalid: With a pointer to the value at fault.
        """
        if not url.lower().startswith("https:"):
            raise Invalid("This is for targets whose URL begins with https://.")
        if "PRIVATE KEY" in self.ca:
            raise Invalid("Leave the private key out: what is given here is shown.", "/ca")
        try:
            self.context()
        except (ssl.SSLError, ValueError):
            raise Invalid("This must be one or more certificates in PEM.", "/ca") from None

    def context(self) -> ssl.SSLContext:
        """What a connection is made with: host name and certificate are checked.

        Raises:
            ssl.SSLError: When `ca` is no certificate.
        """
        # Given an authority, it loads none of those that the system trusts.
        return ssl.create_default_context(cadata=self.ca)


class TlsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The only authorities to trust when the target is called, as certificates in PEM."""

    ca: Annotated[
        str, Meta(min_length=1, max_length=MAX_CA_CHARACTERS, pattern=r"^[\t\n\r\x20-\x7e]*$")
    ]
