"""Who may come in, as whom, and how often: before anything else looks at a request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from app.auth import Authentication, Principal
from app.clock_watch import ClockWatch
from app.failed_logins import FailedLogins
from app.key_use import KeyUse
from app.problems import RETRY_AFTER_SECONDS, problem, send_problem
from app.rate_limiting import RateLimiting
from storage.shards import Shards

SERVICE_HEADER = "Tocsin-Service"
_AUTHORIZATION, _SERVICE = b"authorization", SERVICE_HEADER.lower().encode()
_READS = {"GET", "HEAD", "OPTIONS"}


class Refusal(NamedTuple):
    """Why a request is not even looked at, and after how many seconds the next one may be."""

    detail: str
    seconds: int


class Admission:
    """Finds out who sends a request, and counts it; its route decides what the caller may do.

    What it finds lies in the scope's state: a `principal`, or the error that tells why there is
    none.
    """

    def __init__(
        self, app: ASGIApp, authentication: Authentication, shards: Shards, clock: ClockWatch
    ) -> None:
        self._app = app
        self._clock = clock
        self._authentication = authentication
        self._rates = RateLimiting(shards)
        self._failed = FailedLogins(shards)
        self.key_use = KeyUse(shards)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            authorization, service = _credentials(scope)
            if scope["method"] not in _READS and (wrong := self._clock.wrong()):
                await _refuse_write(send, wrong)
                return
            if authorization is not None:
                refusal = await self._admit(scope, authorization, service)
                if refusal is not None:
                    await _refuse(send, refusal)
                    return
        await self._app(scope, receive, send)

    async def _admit(
        self, scope: HTTPScope, authorization: str, service: str | None
    ) -> Refusal | None:
        """Note in the scope who it is; None unless it is refused already here."""
        now = datetime.now(UTC)
        principal: Principal | Exception | None
        principal = self._authentication.known(authorization, service, now)
        if principal is None:
            address = scope["client"][0] if scope["client"] else ""
            if seconds := self._failed.closed_for(address, authorization):
                return Refusal("Too many requests with bad credentials.", seconds)
            principal = await self._look_up(address, authorization, service, now)
        scope["state"]["principal"] = principal
        if isinstance(principal, Exception):
            return None
        admitted = await self._rates.admit(principal, reads=scope["method"] in _READS)
        scope["state"]["headers"] = admitted.headers
        if admitted.retry_after is None:
            return None
        return Refusal(f"The rate limit of the {admitted.limit} is used up.", admitted.retry_after)

    async def _look_up(
        self, address: str, authorization: str, service: str | None, now: datetime
    ) -> Principal | Exception:
        """Who it is, or why that is not known."""
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


async def _refuse_write(send: Send, wrong: str) -> None:
    said = problem(503, f"The clock of this server {wrong}; try again, another may answer.")
    await send_problem(send, said, [(b"retry-after", RETRY_AFTER_SECONDS.encode())])


async def _refuse(send: Send, refusal: Refusal) -> None:
    said = problem(429, f"{refusal.detail} Try again in {refusal.seconds} s.")
    await send_problem(send, said, [(b"retry-after", b"%d" % refusal.seconds)])
