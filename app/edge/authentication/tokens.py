"""Whom a JSON Web Token names (RFC 7519, OpenID Connect Core 3.1.3.7)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import jwt

from app.edge.authentication.identity_provider import IdentityProvider
from app.edge.authentication.person import Person, TokenRefused
from domain.access.service import SUBJECT
from domain.durations import END_OF_TIME

MOST_CHARACTERS = 8_192
CLOCK_SKEW = timedelta(seconds=30)
_SUBJECT = re.compile(SUBJECT)


class Tokens:
    """Checks tokens of one provider for one audience.

    Args:
        algorithms: The only ones taken, all asymmetric; what a token says of itself is no reason.
    """

    def __init__(
        self, provider: IdentityProvider, audience: str, algorithms: Sequence[str]
    ) -> None:
        self._provider = provider
        self._audience = audience
        self._algorithms = list(algorithms)

    async def person(self, token: str) -> Person:
        """Whom the token names.

        Raises:
            ProviderAway: When the provider must be asked for its keys and does not answer.
            TokenRefused: When the token does not hold.
        """
        if len(token) > MOST_CHARACTERS:
            raise TokenRefused
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self._algorithms or "crit" in header:
                raise TokenRefused
            key = await self._provider.key(header.get("kid"))
            if key is None or key.algorithm_name != header["alg"]:
                raise TokenRefused
            claims = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._provider.issuer,
                leeway=CLOCK_SKEW,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
            until = datetime.fromtimestamp(claims["exp"], UTC) + CLOCK_SKEW
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, OSError, RecursionError):
            raise TokenRefused from None
        if until >= END_OF_TIME or _SUBJECT.fullmatch(claims["sub"]) is None:
            raise TokenRefused
        # OpenID Connect Core, 3.1.3.7: of several audiences, it must be ours that may use it.
        if _has_more(claims["aud"]) and claims.get("azp") != self._audience:
            raise TokenRefused
        return Person(claims["sub"], until)


def _has_more(audience: object) -> bool:
    return isinstance(audience, list) and len(audience) > 1
