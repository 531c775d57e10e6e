"""Ring an HTTP target."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import cast
from urllib.parse import quote

import msgspec

from commands.firing.take_runs import TakenRun
from domain.runs.run import Outcome
from domain.targets.kinds.http import HttpTarget
from storage.crypto.encryption_keys import EncryptionKeys, Undecipherable
from workers.targets.answer import Answer
from workers.targets.delivery import scheduled_for_of, traceparent_of
from workers.targets.http.egress import EgressRefused
from workers.targets.http.names import TooManyLookUps
from workers.targets.http.reading import Response
from workers.targets.http.signature import SigningSecrets, sign
from workers.targets.http.transport import AnswerTimedOut, Transport
from workers.targets.kinds import Means

EMPTY_BODY = b"{}"
"""What is sent for a target that has none, if its method has a body."""
_USER_AGENT = "tocsin"
_NAMES = 10_000
LONGEST_RETRY_AFTER = timedelta(days=366)  # the retry policy has a bound of its own
_LENGTH = 9  # digits of what is longer than that


class HttpRinger:
    """Sends signed requests.

    Args:
        keys: What signing secrets are encrypted with.
    """

    def __init__(self, transport: Transport, keys: EncryptionKeys) -> None:
        self._transport = transport
        self._signing_secrets = SigningSecrets(keys)

    async def ring(self, run: TakenRun, started_at: datetime) -> Answer:
        """Make one attempt; every way it can end is an answer, never an exception."""
        target = cast("HttpTarget", run.target)
        try:
            body, headers = _content(target)
            secrets = self._signing_secrets.live(run.service_id, run.signing_secrets, started_at)
            _add_delivery_headers(headers, run, started_at, secrets, body)
            response = await self._transport.request(target, body, headers, run.service_id)
        except AnswerTimedOut as error:
            return _timed_out(error.begun, target)
        except TimeoutError:
            seconds = target.timeout.total_seconds()
            return Answer(outcome=Outcome.TIMED_OUT, error=f"No answer within {seconds:g} s.")
        except Undecipherable as error:
            return Answer(outcome=Outcome.FAILED, error=str(error))
        except (OSError, ValueError) as error:
            return Answer(
                outcome=Outcome.FAILED, error=_sentence(error), at_fault=_is_at_fault(error)
            )
        return _answer(response, datetime.now(UTC))

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()


def ringer(means: Means) -> HttpRinger:
    """What rings this kind."""
    return HttpRinger(means.transport, means.keys)


def _content(target: HttpTarget) -> tuple[bytes | memoryview, dict[str, str]]:
    headers = dict(target.headers)
    named = {name.lower() for name in headers}
    if "user-agent" not in named:
        headers["user-agent"] = _USER_AGENT
    if target.sends_nothing:
        return b"", headers
    # Not copied: while it rings, others wait.
    stored = target.body if isinstance(target.body, msgspec.Raw) else EMPTY_BODY
    body: bytes | memoryview = memoryview(stored)
    kind = "application/json"
    if body[:1] == b'"':
        kind = "text/plain; charset=utf-8"
        body = msgspec.json.decode(body, type=str).encode()
    if "content-type" not in named:
        headers["content-type"] = kind
    return body, headers


def _add_delivery_headers(
    headers: dict[str, str],
    run: TakenRun,
    started_at: datetime,
    signing_secrets: list[str],
    body: bytes | memoryview,
) -> None:
    webhook_id, timestamp = str(run.id), int(started_at.timestamp())
    headers["webhook-id"] = webhook_id
    headers["webhook-timestamp"] = str(timestamp)
    headers["webhook-signature"] = sign(signing_secrets, webhook_id, timestamp, body)
    headers["traceparent"] = traceparent_of(run)
    headers["tocsin-attempt"] = str(run.number)
    headers["tocsin-scheduled-for"] = scheduled_for_of(run)
    headers["tocsin-job-id"] = str(run.job_id)
    headers["tocsin-job-name"] = _in_header(run.job_name)


@lru_cache(_NAMES)
def _in_header(name: str) -> str:
    """A job's name as percent-encoded UTF-8: a header takes no other characters safely."""
    return quote(name, safe="")


def _answer(response: Response, now: datetime) -> Answer:
    status, excerpt = response.status, _storable(response.excerpt)
    if 200 <= status < 300 and response.fault is None:
        return Answer(outcome=Outcome.SUCCEEDED, status_code=status, response_excerpt=excerpt)
    error = f"The target answered {status}."
    if response.fault is not None:
        error = f"The target answered {status}, but its answer {response.fault}."
    return Answer(
        outcome=Outcome.FAILED,
        status_code=status,
        error=_storable(error.encode()),
        response_excerpt=excerpt,
        retry_after=retry_after(response.headers.get("retry-after", ""), now),
        at_fault=response.is_broken,
    )


def _timed_out(begun: Response, target: HttpTarget) -> Answer:
    status, seconds = begun.status, target.timeout.total_seconds()
    return Answer(
        outcome=Outcome.TIMED_OUT,
        status_code=status,
        error=f"The target answered {status}, but its answer did not end within {seconds:g} s.",
        response_excerpt=_storable(begun.excerpt),
    )


def retry_after(header: str, now: datetime) -> timedelta | None:
    """How long a target asks to be left alone (RFC 9110, 10.2.3): seconds, or a date."""
    text = header.strip()
    if text.isascii() and text.isdecimal():
        digits = text.lstrip("0")[:_LENGTH] or "0"
        return min(timedelta(seconds=int(digits)), LONGEST_RETRY_AFTER)
    try:
        asked = parsedate_to_datetime(text)
        # All three forms of a date are in GMT, and one of them does not say so (RFC 9110, 5.6.7).
        until = asked.replace(tzinfo=UTC) if asked.tzinfo is None else asked.astimezone(UTC)
        return min(max(until - now, timedelta(0)), LONGEST_RETRY_AFTER)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _sentence(error: Exception) -> str:
    return _storable((str(error) or type(error).__name__).encode(errors="replace"))[:1_000]


def _is_at_fault(error: Exception) -> bool:
    """Whether the target failed, and not we who would not ring it."""
    return isinstance(error, OSError) and not isinstance(error, EgressRefused | TooManyLookUps)


def _storable(text: bytes) -> str:
    """UTF-8 as Postgres stores it: whatever was sent, without NUL."""
    return text.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
