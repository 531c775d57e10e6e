"""Services and their limits."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.requests.merge_patch import members_of, merged, names_of, with_unknown_nulls
from app.requests.wrong_values import refusal_of
from app.schemas.examples import Example, Examples
from app.schemas.pages import Page
from domain.access.service import Service
from domain.quotas.limits import Limits
from domain.targets.json import Json
from storage.documents.instants import Instant, instant

# Nothing that two people could read as the same name. What looks like an id is taken for one first.
SERVICE_NAME = r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?(?!\n)$"
ServiceName = Annotated[str, Meta(pattern=SERVICE_NAME, max_length=64, examples=["billing"])]
_LIMITS = names_of(Limits)


class ServiceBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service to make."""

    EXAMPLES: ClassVar[Examples] = (Example("service", "A service", {"name": "billing"}),)

    name: ServiceName


class ServiceChangesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON Merge Patch (RFC 7396): what is not named stays, null removes."""

    EXAMPLES: ClassVar[Examples] = (
        Example("limits", "More jobs than others", {"limits": {"jobs": 500_000}}),
    )

    limits: (
        Annotated[dict[str, Json], Meta(description="Members of Limits; null is as for everybody")]
        | UnsetType
        | None
    ) = UNSET

    def limits_of(self, stored: Limits) -> Limits:
        """The limits of a service that has those.

        Raises:
            Invalid: When the patch is nested too deeply.
            WrongValues: When the merged limits are none, with all that is wrong.
        """
        if self.limits is None:
            return Limits()
        if isinstance(self.limits, UnsetType):
            return stored
        members = merged(members_of(stored), self.limits, "/limits")
        members = with_unknown_nulls(members, self.limits, _LIMITS)
        document = msgspec.json.encode({"limits": members})
        try:
            return msgspec.json.decode(document, type=_Merged).limits
        except msgspec.ValidationError as error:
            raise refusal_of(document, _Merged, error) from None


class _Merged(Struct, frozen=True):
    limits: Limits


# The same fields; but all of them are told.
class LimitsResource(Limits, frozen=True, kw_only=True, omit_defaults=False):
    """What a service may use."""


class ServiceResource(Struct, frozen=True, kw_only=True):
    """A service. `signing_secret` is told once: when it is made."""

    id: UUID
    name: str
    limits: LimitsResource
    created_at: Instant
    signing_secret: str | UnsetType = UNSET

    @classmethod
    def of(cls, service: Service, secret: str | UnsetType = UNSET) -> ServiceResource:
        return cls(
            id=service.id,
            name=service.name,
            limits=LimitsResource(**msgspec.structs.asdict(service.limits)),
            created_at=instant(service.created_at),
            signing_secret=secret,
        )


class ServicePage(Page[ServiceResource], frozen=True, kw_only=True):
    """A page of services, newest first; `next_cursor` is null on the last one."""
