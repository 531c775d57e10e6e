"""Authentication: who sends a request, by API key or by a person's token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from litestar.exceptions import NotAuthorizedException
from msgspec import Struct

from app.person import Person, ProviderAway, TokenRefused
from app.problems import BadRequest
from domain.access import INSTALLATION, SCOPES_OF, Role, Scope
from domain.errors import NotFound
from domain.keys import service_of
from domain.limits import Limits
from domain.service import Service
from queries.find_key import FoundKey, find_key
from queries.find_role import find_role
from queries.find_service import find_service, get_service
from queries.list_memberships import list_memberships
from storage.shards import Shards

if TYPE_CHECKING:
    from app.tokens import Tokens

CACHED_PRINCIPALS = 10_000
CACHED = timedelta(seconds=1)
"""A key that is revoked, and a person who is no member any more, are refused after so long."""


class Principal(Struct, frozen=True, kw_only=True):
    """Who sends a request, and what that is good for.

    Attributes:
        name: For the audit: `key:<id>` or `user:<subject>`.
        key: Service and id of the key, if it is one.
        service_id: The service that the request acts in.
        scopes: What the principal may do there.
        limits: Of that service.
        until: When this ends by itself.
    """

    name: str
    key: tuple[UUID, UUID] | None
    subject: str | None
    service_id: UUID
    scopes: frozenset[Scope]
    operator: bool
    limits: Limits
    until: datetime | None


class _Known(Struct, frozen=True):
    principal: Principal
    until: datetime


class Authentication:
    """Finds the principal of each request; each is looked up once a second at most.

    What is looked up then is kept for longer, until a command makes it void (see LastingReads).

    Args:
        tokens: Of the provider that signs people in, if there is one.
    """

    def __init__(self, shards: Shards, tokens: Tokens | None) -> None:
        self._shards = shards
        self._tokens = tokens
        self._known: dict[tuple[str, str | None], _Known] = {}

    async def principal(self, authorization: str, service: str | None, now: datetime) -> Principal:
        """Who sends a request with that `Authorization`.

        Args:
            service: Id or name of the service that the request says it acts in.

        Raises:
            BadRequest: 503 when the identity provider is needed and away.
            NotAuthorizedException: When there is no credential, or one that is not good.
            NotFound: When there is no such service, or the principal has nothing to do there.
        """
        known = self.known(authorization, service, now)
        if known is not None:
            return known
        scheme, _, credential = authorization.partition(" ")
        if scheme.lower() != "bearer" or not credential:
            _refuse("Send your API key as `Authorization: Bearer <key>`.")
        if credential.startswith("tocsin_"):
            principal = await self._of_key(credential, service, now)
        else:
            principal = await self._of_person(credential, service, now)
        if len(self._known) >= CACHED_PRINCIPALS:
            self._known.clear()
        self._known[authorization, service] = _Known(principal, _fresh_until(principal, now))
        return principal

    def known(self, authorization: str, service: str | None, now: datetime) -> Principal | None:
        """The same, if it was looked up just now."""
        found = self._known.get((authorization, service))
        return None if found is None or now >= found.until else found.principal

    async def _of_key(self, text: str, service_named: str | None, now: datetime) -> Principal:
        found = await find_key(text, now, self._shards) if service_of(text) else None
        if found is None:
            _refuse("This API key is unknown, revoked or past its end.")
        service = await self._service_of_key(found, service_named, now)
        return Principal(
            name=f"key:{found.key_id}",
            key=(found.service_id, found.key_id),
            subject=found.subject,
            service_id=service.id if service else found.service_id,
            scopes=found.scopes,
            operator=found.service_id == INSTALLATION and Scope.ADMIN in found.scopes,
            limits=service.limits if service else found.limits,
            until=found.expires_at,
        )

    async def _service_of_key(
        self, found: FoundKey, named: str | None, now: datetime
    ) -> Service | None:
        """The service that is named, unless it is the key's own."""
        if named is None or named == str(found.service_id):
            return None
        service = await find_service(named, now, self._shards)
        if found.service_id not in {service.id, INSTALLATION}:
            raise NotFound(f"There is no service {named!r}.")
        return service

    async def _of_person(self, token: str, named: str | None, now: datetime) -> Principal:
        person = await self._person(token)
        installed = await find_role(INSTALLATION, person.subject, now, self._shards)
        everywhere = SCOPES_OF[installed] if installed else frozenset[Scope]()
        service = await self._service_of(person, named, now)
        role = None
        if service.id != INSTALLATION:
            role = await find_role(service.id, person.subject, now, self._shards)
        if named is not None and role is None and installed is None:
            raise NotFound(f"There is no service {named!r}.")
        return Principal(
            name=f"user:{person.subject}",
            key=None,
            subject=person.subject,
            service_id=service.id,
            scopes=everywhere | (SCOPES_OF[role] if role else frozenset()),
            operator=installed is Role.ADMIN,
            limits=service.limits,
            until=person.until,
        )

    async def _person(self, token: str) -> Person:
        if self._tokens is None:
            _refuse("This is no API key, and no identity provider is set for people's tokens.")
        try:
            return await self._tokens.person(token)
        except TokenRefused:
            _refuse("This token is not good: check its issuer, audience, signature and times.")
        except ProviderAway:
            detail = "The identity provider does not answer; try again shortly."
            raise BadRequest(503, detail, **{"Retry-After": "1"}) from None

    async def _service_of(self, person: Person, named: str | None, now: datetime) -> Service:
        """The service that is named, or else the only one that the person belongs to."""
        if named is not None:
            return await find_service(named, now, self._shards)
        memberships = await list_memberships(person.subject, self._shards)
        services = [one.service_id for one in memberships if one.service_id != INSTALLATION]
        only = services[0] if len(services) == 1 else INSTALLATION
        return await get_service(only, now, self._shards)


def _fresh_until(principal: Principal, now: datetime) -> datetime:
    until = now + CACHED
    return until if principal.until is None else min(until, principal.until)


def _refuse(detail: str) -> NoReturn:
    raise NotAuthorizedException(detail)
