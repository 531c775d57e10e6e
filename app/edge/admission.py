"""Who may come in, as whom, and how often: before anything else looks at a request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from app.edge.authentication.credentials import Credentials, credentials_of
from app.edge.authentication.key_use import KeyUse
from app.edge.authentication.principals import Authentication, Principal
from app.edge.rate_limiting import RateLimiting
from app.observability.clock_watch import ClockWatch
from app.responses.problems import RETRY_AFTER_SECONDS, BadRequest, problem, send_problem
from storage.shards import Shards

_READS = {"GET", "HEAD", "OPTIONS"}


class Refusal(NamedTuple):
    """Why a request is not even looked at, and after how many seconds the next one may be."""

    detail: str
    seconds: int


class Admission:
    """Finds out who sends a request, and counts it; its route decides what the caller may do.

    What it finds lies in the scope's state: the `credentials`, and a `principal` or the error that
    tells why there is none.
    """

    def __init__(
        self,
        app: ASGIApp,
        authentication: Authentication,
        shards: Shards,
        clock: ClockWatch,
        key_use: KeyUse,
    ) -> None:
        self._app = app
        self._clock = clock
        self._authentication = authentication
        self._rates = RateLimiting(shards)
        self._key_use = key_use

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            try:
                sent = credentials_of(scope)
            except BadRequest as error:
                await send_problem(send, problem(error.status, error.detail), [])
                return
            if scope["method"] not in _READS and (wrong := self._clock.wrong()):
                await _refuse_write(send, wrong)
                return
            if sent is not None:
                refusal = await self._admit(scope, sent)
                if refusal is not None:
                    await _refuse(send, refusal)
                    return
        await self._app(scope, receive, send)

    async def _admit(self, scope: HTTPScope, sent: Credentials) -> Refusal | None:
        """Note in the scope who it is; None unless it is refused already here."""
        now = datetime.now(UTC)
        state = scope["state"]
        state["credentials"] = sent
        principal = self._authentication.known(sent, now)
        if principal is not None:
            state["principal"] = principal
            return await self._count(scope, principal)
        address = scope["client"][0] if scope["client"] else ""
        if seconds := self._authentication.closed_for(address, sent):
            return Refusal("Too many requests with bad credentials.", seconds)
        try:
            return await self._look_up(scope, sent, address, now)
        except Exception as error:  # noqa: BLE001 - the route's guard raises it, if it has one
            state["principal"] = error
            return None

    async def _look_up(
        self, scope: HTTPScope, sent: Credentials, address: str, now: datetime
    ) -> Refusal | None:
        """Find out who it is, and count the request before the service that it names is sought."""
        bearer = await self._authentication.bearer(sent, address, now)
        at_home = bearer.at_home
        if sent.service is not None and (refusal := await self._count(scope, at_home)):
            return refusal
        principal = await self._authentication.in_service(bearer, sent, now)
        scope["state"]["principal"] = principal
        if principal.key is not None:
            self._key_use.note(principal.key, now)
        if sent.service is not None and principal.service_id == at_home.service_id:
            return None
        return await self._count(scope, principal)

    async def _count(self, scope: HTTPScope, principal: Principal) -> Refusal | None:
        admitted = await self._rates.admit(principal, reads=scope["method"] in _READS)
        scope["state"]["headers"] = admitted.headers
        if admitted.retry_after is None:
            return None
        return Refusal(f"The rate limit of the {admitted.limit} is used up.", admitted.retry_after)


async def _refuse_write(send: Send, wrong: str) -> None:
    said = problem(503, f"The clock of this server {wrong}; try again, another may answer.")
    await send_problem(send, said, [(b"retry-after", RETRY_AFTER_SECONDS.encode())])


async def _refuse(send: Send, refusal: Refusal) -> None:
    said = problem(429, f"{refusal.detail} Try again in {refusal.seconds} s.")
    await send_problem(send, said, [(b"retry-after", b"%d" % refusal.seconds)])
