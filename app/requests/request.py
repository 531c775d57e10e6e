"""Requests as our routes see them."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from msgspec import Struct

from app.requests.wrong_values import refusal_of
from app.responses.problems import BadRequest
from domain.access.caller import Caller
from domain.targets import Allowed
from storage.shards import Shards

MAX_BODY_BYTES = 256 * 1024
MERGE_PATCH = "application/merge-patch+json"


class NoBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing, which is all that some operations take."""


class ServiceRequest(Request[Any, Any, Any]):
    """A request with its caller and our servers at hand.

    They are attributes and no Litestar dependencies, which cost a task group a request.
    """

    @property
    def caller(self) -> Caller:
        """Who calls, once the guard let the request pass."""
        caller: Caller = self.scope["state"]["caller"]
        return caller

    @property
    def shards(self) -> Shards:
        """Where the services' data lives."""
        shards: Shards = self.app.state.shards
        return shards

    @property
    def allowed(self) -> Allowed:
        """What the operator allows targets to be."""
        allowed: Allowed = self.app.state.allowed
        return allowed

    async def json(self) -> Any:
        """The body as an instance of the handler's `data` annotation, decoded strictly.

        Litestar would decode to dicts first and then convert leniently ("5" for 5).

        Raises:
            BadRequest: 415 when it is not sent as JSON, 400 when it is not even UTF-8.
            msgspec.DecodeError: When it is no JSON.
            WrongValues: When it does not fit the type, with all that is wrong.
        """
        field = self.route_handler.parsed_data_field
        body = await self.body()
        if not body and field is not None and field.is_optional:
            return None
        kind = self.content_type[0]
        if kind != "application/json" and not (kind == MERGE_PATCH and self.method == "PATCH"):
            raise self._unsupported()
        try:
            body.decode()  # what is passed on as raw JSON, msgspec does not look into
        except UnicodeDecodeError:
            raise BadRequest(400, "Send the body in UTF-8.") from None
        wanted = field.annotation if field else Any
        try:
            return msgspec.json.decode(body, type=wanted)
        except msgspec.ValidationError as error:
            raise refusal_of(body, wanted, error) from None

    def _unsupported(self) -> BadRequest:
        """What is said of a body of another media type; of a change, as RFC 5789 wants it."""
        detail = "Send the body as JSON, with Content-Type: application/json."
        if self.method != "PATCH":
            return BadRequest(415, detail)
        detail = f"{detail[:-1]} or {MERGE_PATCH}."
        return BadRequest(415, detail, **{"Accept-Patch": f"{MERGE_PATCH}, application/json"})


_nothing = msgspec.json.Decoder(NoBody)


async def refuse_body(request: Request[Any, Any, Any]) -> None:
    """A hook before operations that take no body: what a client sends is not dropped in silence.

    Raises:
        msgspec.DecodeError: When something is sent that is not an empty object.
    """
    if body := await request.body():
        _nothing.decode(body)
