"""`Idempotency-Key`: what is sent again is answered again, to the byte, and done once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from litestar import Response

from app.requests.request import ServiceRequest
from app.responses.problems import MEDIA_TYPE, BadRequest, problem_of
from commands.unit_of_work import Executor, Message
from domain.access.idempotency import Answer, Answered, Claim

KEY = re.compile(rb"[ -~]{1,255}")
REPLAYED = {"Idempotency-Replayed": "true"}
# What else a request asks by, beside method, address and body.
_ASKED_BY = {b"content-type", b"if-match"}


Result = TypeVar("Result")


async def once(
    request: ServiceRequest,
    execute: Executor[Message, Result],
    command: Message,
    answer: Callable[[Result], Response[Any]],
) -> Response[Any]:
    """Answer with a command's result; of requests with one key, only the first is carried out.

    Args:
        answer: Makes the answer of the command's result.

    Raises:
        BadRequest: When the header is no valid key.
        TocsinError: What the command refuses, of a request without a key; and see Executor.once.
    """
    key = _key(request)
    if key is None:
        return answer(await execute(command, request.shards))
    claim = Claim(
        route=f"{request.method} {request.scope['raw_path'].decode()}",
        key=key,
        fingerprint=await _fingerprint(request),
        size=len(await request.body()),
        at=datetime.now(UTC),
        answer_of=lambda result: _answer_of(answer(result)),
        refusal_of=_answer_of_refusal,
    )
    try:
        return _response(await execute.once(command, request.shards, claim), {})
    except Answered as known:
        return _response(known.answer, REPLAYED)


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
