"""`Idempotency-Key`: what is sent again is answered again, to the byte, and done once."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec
from litestar import Response

from app.problems import MEDIA_TYPE, BadRequest, problem_of
from app.requests import ServiceRequest
from domain.caller import Caller
from domain.errors import AnswersKept, Conflict, Invalid, NotFound, PreconditionFailed
from domain.idempotency import Answer, Answered, Claim
from storage.shards import Shards

KEY = re.compile(rb"[ -~]{1,255}")
REPLAYED = {"Idempotency-Replayed": "true"}
REFUSALS = (409, 422)
"""What a request with a key may be answered, beside what its route answers."""
# What else a request asks by, beside method, address and body.
_ASKED_BY = {b"content-type", b"if-match"}


class Command(Protocol):
    """What all commands have in common."""

    @property
    def caller(self) -> Caller: ...


SomeCommand = TypeVar("SomeCommand", bound=Command)
Result = TypeVar("Result")


async def once(
    request: ServiceRequest,
    handle: Callable[[SomeCommand, Shards], Awaitable[Result]],
    command: SomeCommand,
    answer: Callable[[Result], Response[Any]],
) -> Response[Any]:
    """Answer a command's result; of requests with one key, only the first one is done.

    What the command refuses is kept like what it does. What fails on our side is not.

    Args:
        answer: Makes the answer of the command's result.

    Raises:
        BadRequest: When the key is none.
        KeyInProgress: When a request with the key is being done.
        KeyReused: When the key stands for another request.
        AnswersKept: When the service has as many answers kept as it may, and this would be new.
        TocsinError: What the command raises, of a request without a key.
    """
    key = _key(request)
    if key is None:
        return answer(await handle(command, request.shards))
    claim = Claim(
        route=f"{request.method} {request.scope['raw_path'].decode()}",
        key=key,
        fingerprint=await _fingerprint(request),
        at=datetime.now(UTC),
        answer_of=lambda result: _answer_of(answer(result)),
    )
    caller = msgspec.structs.replace(command.caller, claim=claim)
    keyed = msgspec.structs.replace(command, caller=caller)  # type: ignore[type-var]
    try:
        await _find_room(request, command.caller.service_id, claim)
        return await _done(handle, keyed, claim, request.shards)
    except Answered as known:
        return _response(known.answer, REPLAYED)


async def _find_room(request: ServiceRequest, service_id: UUID, claim: Claim) -> None:
    """What is not remembered would be done twice: better it is not done. What is, is answered."""
    shard = request.shards.of(service_id)
    seconds = await shard.kept_answers.full_for(service_id, len(await request.body()))
    if seconds:
        await shard.answer_kept(service_id, claim)
        raise AnswersKept(seconds)


async def _done(
    handle: Callable[[SomeCommand, Shards], Awaitable[Any]],
    command: SomeCommand,
    claim: Claim,
    shards: Shards,
) -> Response[Any]:
    try:
        await handle(command, shards)
    except (NotFound, Conflict, Invalid, PreconditionFailed) as refusal:
        # Its transaction is gone, and the claim with it: somebody else may hold the key by now.
        claim.answer = _answer_of_refusal(refusal)
        service_id = command.caller.service_id
        await shards.of(service_id).keep_answer(service_id, claim)
    if claim.answer is None:
        raise RuntimeError(f"The command of {claim.route} does not settle its claim.")
    return _response(claim.answer, {})


def _key(request: ServiceRequest) -> str | None:
    keys = [value for name, value in request.scope["headers"] if name == b"idempotency-key"]
    if not keys:
        return None
    if len(keys) > 1 or not KEY.fullmatch(keys[0]):
        raise BadRequest(
            400,
            "Send one Idempotency-Key of 1 to 255 printable ASCII characters.",
            title="Idempotency-Key Invalid",
        )
    return keys[0].decode()


async def _fingerprint(request: ServiceRequest) -> bytes:
    scope = request.scope
    asked_by = sorted(header for header in scope["headers"] if header[0] in _ASKED_BY)
    parts = [
        request.method.encode(),
        scope["raw_path"],
        scope["query_string"],
        *(part for header in asked_by for part in header),
        await request.body(),
    ]
    # Each with its length, so that nothing of one part can pass for the next.
    return sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()


def _answer_of(response: Response[Any]) -> Answer:
    return Answer(
        status=response.status_code or 200,
        headers={**response.headers, "Content-Type": "application/json"},
        body=msgspec.json.encode(response.content),
    )


def _answer_of_refusal(refusal: Exception) -> Answer:
    problem = problem_of(refusal)
    return Answer(
        status=problem.status,
        headers={"Content-Type": MEDIA_TYPE},
        body=msgspec.json.encode(problem),
    )


def _response(answer: Answer, more: dict[str, str]) -> Response[Any]:
    headers = {**answer.headers, **more}
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=headers.pop("Content-Type"),
        headers=headers,
    )
