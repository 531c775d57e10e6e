"""Who calls."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from domain.idempotency import Claim


class Caller(Struct, frozen=True, kw_only=True):
    """The principal behind a command or query.

    Attributes:
        service_id: The service whose objects the caller sees.
        principal: Who, for the audit: `key:<id>`.
        request_id: The request, as logs name it.
        claim: To the request's idempotency key, if it has one.
    """

    service_id: UUID
    principal: str
    request_id: str
    claim: Claim | None = None

    def settle(self, result: object) -> None:
        """Tell a command's result before its transaction ends, to be kept under the claim's key."""
        if self.claim is not None:
            self.claim.settle(result)
