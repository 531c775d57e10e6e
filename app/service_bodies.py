"""What clients send about services, keys and members."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.merge_patch import members_of, merged, names_of, with_unknown_nulls
from app.wrong_values import refusal_of
from domain.access import Role, Scope
from domain.durations import AwareInstant, Duration
from domain.limits import Limits
from domain.targets.json import Json

# Nothing that two people could read as the same name. What looks like an id is taken for one first.
SERVICE_NAME = r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?(?!\n)$"
_PRINTABLE = r"^[^\x00-\x1f\x7f]*(?!\n)$"

ServiceName = Annotated[str, Meta(pattern=SERVICE_NAME, max_length=64, examples=["billing"])]
KeyName = Annotated[str, Meta(min_length=1, max_length=100, pattern=_PRINTABLE)]
_LIMITS = names_of(Limits)
Scopes = Annotated[list[Scope], Meta(max_length=len(Scope))]


class ServiceBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service to make."""

    name: ServiceName


class ServiceChangesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON Merge Patch (RFC 7396): what is not named stays, null removes."""

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


class KeyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make."""

    name: KeyName
    scopes: Scopes
    expires_at: AwareInstant | None = None


class RotationBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to replace a key: the old one stays good for the overlap."""

    overlap: Duration = "P1D"
    expires_at: Annotated[
        AwareInstant | UnsetType | None,
        Meta(description="Of the new key; the old one's if left out, null for no end"),
    ] = UNSET


class MemberBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person is to be in a service."""

    role: Role
