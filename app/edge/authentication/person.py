"""What is known of a person who sends a token, and why it may not be.

Apart from the code that finds out, in `tokens`: without an identity provider, an API process need
not wait for its libraries to be imported when it starts.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class Person(Struct, frozen=True):
    """Attributes:
    subject: The `sub`, unique at the provider.
    until: When the token ends.
    """

    subject: str
    until: datetime


class TokenRefused(Exception):
    """The token proves nothing."""


class ProviderAway(Exception):
    """The provider cannot be asked, and nothing that it said is fresh enough."""
