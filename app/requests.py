"""Request bodies, decoded once and strictly into the type that the route declares."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request

from app.problems import BadRequest

MAX_BODY_BYTES = 256 * 1024


class JsonRequest(Request[Any, Any, Any]):
    """Litestar would decode to dicts first and then convert leniently ("5" for 5)."""

    async def json(self) -> Any:
        """The body as an instance of the handler's `data` annotation.

        Raises:
            BadRequest: 415 when it is not sent as JSON.
            msgspec.DecodeError: When it is no JSON, or does not fit the type.
        """
        if self.content_type[0] != "application/json":
            raise BadRequest(415, "Send the body as JSON, with Content-Type: application/json.")
        field = self.route_handler.parsed_data_field
        return msgspec.json.decode(await self.body(), type=field.annotation if field else Any)
