"""Errors as RFC 9457 problem documents: one table from what went wrong to what is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotAuthorizedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import Send
from litestar.typing import FieldDefinition
from msgspec import UNSET, Struct, UnsetType

from app.edge.methods import allow
from app.requests.allowed_values import advice
from app.responses.addresses import NOWHERE, what_is_wrong
from domain.errors import (
    AnswersKept,
    Busy,
    Conflict,
    Forbidden,
    Invalid,
    KeyInProgress,
    KeyReused,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
)
from storage.crypto.encryption_keys import Undecipherable
from storage.error_kinds import kind_of
from storage.postgres.pools import UNREACHABLE
from storage.redis.connection import RedisAway
from storage.shares import ShareUsedUp

log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "1"
# Python's own differ from version to version, and the types of problems are made of them.
TITLES = {413: "Request Entity Too Large", 414: "URI Too Long"}


class ProblemError(Struct, frozen=True, kw_only=True):
    """One wrong value: `pointer` into the body (RFC 6901), or the `parameter` of the query."""

    detail: str
    pointer: str | UnsetType = UNSET
    parameter: str | UnsetType = UNSET


class Problem(Struct, frozen=True, kw_only=True):
    """A problem document. `type` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemError] | UnsetType = UNSET


class BadRequest(Exception):
    """A request that the edge refuses before any command sees it."""

    def __init__(
        self, status: int, detail: str, *, title: str | None = None, **headers: str
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers


class BadParameter(Exception):
    """A query parameter that makes no sense."""

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(detail)
        self.parameter = parameter
        self.detail = detail


class WrongValues(Exception):
    """Several values, each wrong by itself."""

    def __init__(self, errors: list[ProblemError]) -> None:
        super().__init__(*(error.detail for error in errors))
        self.errors = errors


def problem_of(error: Exception) -> Problem:  # noqa: C901, PLR0911, PLR0912 - a table
    """The problem document that tells a client of an error."""
    match error:
        case Invalid():
            told = [ProblemError(detail=one.detail, pointer=one.pointer) for one in error.all]
            return _invalid(told)
        case BadParameter():
            return _invalid([ProblemError(detail=error.detail, parameter=error.parameter)])
        case WrongValues():
            return _invalid(error.errors)
        case msgspec.ValidationError():
            return _invalid([wrong_value(str(error))])
        case ValidationException():
            return _invalid(_wrong_parameters(error, {}))
        case NotFound():
            return problem(404, error.detail)
        case Forbidden():
            return problem(403, error.detail)
        case QuotaExceeded():
            return problem(403, error.detail, "Quota exceeded")
        case Conflict():
            return problem(409, error.detail)
        case Busy():
            return problem(503, error.detail)
        case PreconditionFailed():
            return problem(412, error.detail)
        case KeyInProgress():
            return problem(409, error.detail, "Idempotency-Key In Progress")
        case AnswersKept():
            return problem(429, error.detail, "Idempotency-Key Beyond Quota")
        case KeyReused():
            return problem(422, error.detail, "Idempotency-Key Reused")
        case BadRequest():
            return problem(error.status, error.detail, error.title)
        case msgspec.DecodeError() | SerializationException():
            return problem(400, f"The body is no valid JSON: {error}")
        case RecursionError():
            return problem(400, "The body is nested too deeply.")
        case NotFoundException():
            return problem(404, NOWHERE)
        case MethodNotAllowedException():
            return problem(405, "This address does not take that method; see the Allow header.")
        case NotAuthorizedException():
            return problem(401, error.detail)
        case HTTPException(detail="client disconnected prematurely"):
            return problem(408, "The body did not come, or not in time.")
        case HTTPException(status_code=413):
            return problem(413, "A body may have 256 KiB at most.")
        case HTTPException() if error.status_code < 500:
            return problem(error.status_code, error.detail or "The request could not be read.")
        case RedisAway():
            return problem(503, "Redis is not reachable at the moment; try again shortly.")
        case ShareUsedUp():
            return problem(429, "The service has as much under way as it may; try again shortly.")
        case asyncpg.QueryCanceledError():
            return problem(503, "That takes too long to find; ask for less of it at a time.")
        case asyncpg.LockNotAvailableError():
            return problem(503, "Others change the same at the moment; try again shortly.")
        case Undecipherable():
            return problem(503, str(error))
        case _ if _unreachable(error):
            return problem(503, "The database is not reachable at the moment; try again shortly.")
        case _:
            return problem(500, "Something went wrong on our side; it has been logged.")


def respond(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The exception handler of the whole application."""
    problem = problem_of(error)
    headers = dict(getattr(error, "headers", None) or {})
    if isinstance(error, NotFoundException):
        detail = what_is_wrong(request.scope["path"], request.app)
        problem = msgspec.structs.replace(problem, detail=detail)
    if isinstance(error, ValidationException):
        fields = request.route_handler.parsed_fn_signature.parameters
        problem = _invalid(_wrong_parameters(error, fields))
    if isinstance(error, MethodNotAllowedException):
        headers = {"Allow": allow(headers.get("allow", "").split(", "))}
    if problem.status == 500:
        log.error("request.failed", exc_info=error)
    if problem.status == 503:
        log.warning("request.unavailable", error=kind_of(error))
    if problem.status == 503 or isinstance(error, KeyInProgress | ShareUsedUp):
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    if isinstance(error, AnswersKept):
        headers["Retry-After"] = str(error.seconds)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """OpenAPI's word of the problems that a route can answer with, beside those of all its kind."""
    return {
        status: ResponseSpec(
            data_container=Problem,
            media_type=MEDIA_TYPE,
            description=HTTPStatus(status).phrase,
            generate_examples=False,
        )
        for status in statuses
    }


def problem(status: int, detail: str, title: str | None = None) -> Problem:
    """The problem document of a status."""
    title = title or TITLES.get(status) or HTTPStatus(status).phrase
    return Problem(type=_type(title), title=title, status=status, detail=detail)


async def send_problem(send: Send, said: Problem, headers: list[tuple[bytes, bytes]]) -> None:
    """Answer with a problem before the request came to Litestar."""
    body = msgspec.json.encode(said)
    kind = (b"content-type", MEDIA_TYPE.encode())
    length = (b"content-length", b"%d" % len(body))
    await send(
        {
            "type": "http.response.start",
            "status": said.status,
            "headers": [kind, length, *headers],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _invalid(errors: list[ProblemError]) -> Problem:
    return Problem(
        type="urn:tocsin:problem:invalid",
        title="Invalid",
        status=422,
        detail="; ".join(error.detail for error in errors),
        errors=errors,
    )


def _type(title: str) -> str:
    return "urn:tocsin:problem:" + title.lower().replace(" ", "-")


_PLACE = re.compile(r"^(?P<detail>.*) - at `(?:key in )?\$(?P<path>.*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>.*)`$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<name>.*)`$", re.DOTALL)


def wrong_value(message: str) -> ProblemError:
    """Msgspec's message, with its `$.a[0].b` as a JSON pointer."""
    match = _PLACE.match(message)
    detail, path = (match["detail"], match["path"]) if match else (message, "")
    pointer = re.sub(r"\.|\[", "/", path.replace("[...]", "")).replace("]", "")
    for pattern in (_UNKNOWN, _MISSING):
        if named := pattern.search(detail):
            pointer += "/" + named["name"].replace("~", "~0").replace("/", "~1")
    return ProblemError(detail=detail + ".", pointer=pointer)


def _wrong_parameters(
    error: ValidationException, fields: Mapping[str, FieldDefinition]
) -> list[ProblemError]:
    messages: Any = error.extra if isinstance(error.extra, list) else []
    found = [_wrong_parameter(message, fields) for message in messages]
    return found or [ProblemError(detail=error.detail)]


def _wrong_parameter(
    message: dict[str, str], fields: Mapping[str, FieldDefinition]
) -> ProblemError:
    name = message.get("key", "")
    if name == "data":
        return ProblemError(detail="A JSON body is required.", pointer="")
    allowed = advice(fields[name].annotation) if name in fields else ""
    # Litestar tells our name: `from_` where the query says `from`.
    return ProblemError(
        detail=f"{message.get('message', 'Wrong value')}.{allowed}",
        parameter=name.removesuffix("_"),
    )


def _unreachable(error: Exception) -> bool:
    ours = (ValueError, FileNotFoundError, PermissionError)  # the driver cannot encode a value
    return isinstance(error, UNREACHABLE) and not isinstance(error, ours)


HANDLERS: dict[
    type[Exception] | int, Callable[[Request[Any, Any, Any], Any], Response[Problem]]
] = {
    Exception: respond,
    HTTPException: respond,
    ClientException: respond,
}
