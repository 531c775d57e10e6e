"""Who may come in, as whom, and how often: before anything else looks at a request."""

from __future__ import annotations

from datetime import UTC, datetime

from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException
from litestar.types import ASGIApp, Receive, Scope, Send

from app.auth import Authentication, Principal
from app.failed_logins import FailedLogins
from app.key_use import KeyUse
from app.problems import problem, send_problem
from app.rate_limiting import RateLimiting
from storage.shards import Shards

SERVICE_HEADER = "Tocsin-Service"
_AUTHORIZATION, _SERVICE = b"authorization", SERVICE_HEADER.lower().encode()
_READS = {"GET", "HEAD", "OPTIONS"}


class Admission:
    """Finds out who sends a request, and counts it; its route decides what the caller may do.

    What it finds lies in the scope's state: a `principal`, or the error that tells why there is
    none.
    """

    def __init__(self, app: ASGIApp, authentication: Authentication, shards: Shards) -> None:
        self._app = app
        self._authentication = authentication
        self._rates = RateLimiting(shards)
        self._failed = FailedLogins(shards)
        self.key_use = KeyUse(shards)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            authorization, service = _credentials(scope)
            if authorization is not None:
                principal = await self._principal(scope, authorization, service)
                scope["state"]["principal"] = principal
                if isinstance(principal, int):
                    await _refuse(send, principal, "Too many requests with bad credentials.")
                    return
                if isinstance(principal, Principal):
                    admitted = await self._rates.admit(principal, reads=scope["method"] in _READS)
                    scope["state"]["headers"] = admitted.headers
                    if admitted.retry_after is not None:
                        detail = f"The rate limit of the {admitted.limit} is used up."
                        await _refuse(send, admitted.retry_after, detail)
                        return
        await self._app(scope, receive, send)

    async def _principal(
        self, scope: Scope, authorization: str, service: str | None
    ) -> Principal | Exception | int:
        """Who it is, why that is not known, or after how many seconds to ask again."""
        now = datetime.now(UTC)
        principal = self._authentication.known(authorization, service, now)
        if principal is None:
            address = scope["client"][0] if scope["client"] else ""
            if seconds := self._failed.closed_for(address, authorization):
                return seconds
            try:
                principal = await self._authentication.principal(authorization, service, now)
            except NotAuthorizedException as error:
                await self._failed.note(address)
                return error
            except Exception as error:  # noqa: BLE001 - the route's guard raises it, if it has one
                return error
            self._failed.trust(authorization)
            if principal.key is not None:
                self.key_use.note(principal.key, now)
        return principal


def _credentials(scope: Scope) -> tuple[str | None, str | None]:
    authorization = service = None
    for name, value in scope["headers"]:
        if name == _AUTHORIZATION:
            authorization = value.decode("latin-1")
        elif name == _SERVICE:
            service = value.decode("latin-1")
    return authorization, service


async def _refuse(send: Send, seconds: int, detail: str) -> None:
    said = problem(429, f"{detail} Try again in {seconds} s.")
    await send_problem(send, said, [(b"retry-after", b"%d" % seconds)])
