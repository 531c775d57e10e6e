"""Authentication: who sends a request, by API key or by a person's token."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from litestar.exceptions import NotAuthorizedException
from msgspec import Struct

from app.edge.authentication.credentials import Credentials
from app.edge.authentication.failed_logins import FailedLogins
from app.edge.authentication.person import Person, ProviderAway, TokenRefused
from app.responses.problems import BadRequest
from domain.access.keys import service_of
from domain.access.scopes import INSTALLATION, SCOPES_OF, Role, Scope
from domain.access.service import Service
from domain.errors import NotFound
from domain.quotas.limits import Limits
from queries.keys.find_key import FoundKey, find_key
from queries.services.find_role import find_role
from queries.services.find_service import find_service, get_service
from queries.services.list_memberships import list_memberships
from storage.shards import Shards

if TYPE_CHECKING:
    from app.edge.authentication.tokens import Tokens

CACHED_PRINCIPALS = 10_000
CACHED_BYTES = 32 * 1024 * 1024
"""Of the credentials that they are found by: a person's token may have 8 KiB."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")  # of a service, or its id
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


class Bearer(Struct, frozen=True):
    """Whose credential it is, whatever service the request names.

    Attributes:
        of: The key or the person that was found.
        at_home: The principal where no other service is named, as far as it is counted: a key in
            its service, a person as a service of one.
    """

    of: FoundKey | Person
    at_home: Principal


class _Known(Struct, frozen=True):
    principal: Principal
    until: datetime


class Authentication:
    """Finds the principal of each request; each is looked up once a second at most.

    What is looked up then is kept for longer, until a command invalidates it
    (see AuthorizationCache).

    Args:
        tokens: Of the provider that signs people in, if there is one.
    """

    def __init__(self, shards: Shards, tokens: Tokens | None) -> None:
        self._shards = shards
        self._tokens = tokens
        self._failed = FailedLogins(shards)
        self._known: dict[Credentials, _Known] = {}
        self._known_bytes = 0

    async def principal(self, sent: Credentials, address: str, now: datetime) -> Principal:
        """Who sends a request with those credentials.

        Args:
            address: Where it comes from.

        Raises:
            BadRequest: 503 when the identity provider is needed and away.
            NotAuthorizedException: When the credential is not good.
            NotFound: When there is no such service, or the principal has nothing to do there.
        """
        known = self.known(sent, now)
        if known is not None:
            return known
        return await self.in_service(await self.bearer(sent, address, now), sent, now)

    def known(self, sent: Credentials, now: datetime) -> Principal | None:
        """The same, if it was looked up just now."""
        found = self._known.get(sent)
        return None if found is None or now >= found.until else found.principal

    def closed_for(self, address: str, sent: Credentials) -> int:
        """For how many seconds credentials from an address are not looked at; 0 if they are."""
        return self._failed.closed_for(address, sent.authorization)

    async def bearer(self, sent: Credentials, address: str, now: datetime) -> Bearer:
        """Whose credential it is; one that is not good is counted against its address.

        Raises:
            BadRequest: 503 when the identity provider is needed and away.
            NotAuthorizedException: When the credential is not good.
        """
        try:
            bearer = await self._bearer(sent.authorization, now)
        except NotAuthorizedException:
            await self._failed.note(address)
            raise
        self._failed.trust(sent.authorization)
        return bearer

    async def in_service(self, bearer: Bearer, sent: Credentials, now: datetime) -> Principal:
        """The principal in the service that the request names.

        Raises:
            NotFound: When there is no such service, or the principal has nothing to do there.
        """
        if sent.service is not None and not _NAME.fullmatch(sent.service):
            raise NotFound("There is no service of that name.")
        if isinstance(bearer.of, FoundKey):
            service = await self._service_of_key(bearer.of, sent.service, now)
            principal = _of_key(bearer.of, service)
        else:
            principal = await self._of_person(bearer.of, sent.service, now)
        self._remember(sent, principal, now)
        return principal

    async def _bearer(self, authorization: str, now: datetime) -> Bearer:
        scheme, _, credential = authorization.partition(" ")
        if scheme.lower() != "bearer" or not credential:
            _refuse("Send your API key as `Authorization: Bearer <key>`.")
        if not credential.startswith("tocsin_"):
            person = await self._person(credential)
            return Bearer(person, _alone(person))
        key = await find_key(credential, now, self._shards) if service_of(credential) else None
        if key is None:
            _refuse("This API key is unknown, revoked or past its end.")
        return Bearer(key, _of_key(key, None))

    def _remember(self, sent: Credentials, principal: Principal, now: datetime) -> None:
        size = len(sent.authorization) + len(sent.service or "")
        if len(self._known) >= CACHED_PRINCIPALS or self._known_bytes + size > CACHED_BYTES:
            self._known.clear()
            self._known_bytes = 0
        if sent not in self._known:
            self._known_bytes += size
        self._known[sent] = _Known(principal, _fresh_until(principal, now))

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

    async def _of_person(self, person: Person, named: str | None, now: datetime) -> Principal:
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


def _of_key(found: FoundKey, service: Service | None) -> Principal:
    """A key's principal in its own service, or in another one that it may name."""
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


def _alone(person: Person) -> Principal:
    """A person of no service yet: requests that name unknown services count for no service."""
    number = int.from_bytes(sha256(person.subject.encode()).digest()[:16])
    return Principal(
        name=f"user:{person.subject}",
        key=None,
        subject=person.subject,
        service_id=UUID(int=number),
        scopes=frozenset(),
        operator=False,
        limits=Limits(),
        until=person.until,
    )


def _fresh_until(principal: Principal, now: datetime) -> datetime:
    until = now + CACHED
    return until if principal.until is None else min(until, principal.until)


def _refuse(detail: str) -> NoReturn:
    raise NotAuthorizedException(detail)
