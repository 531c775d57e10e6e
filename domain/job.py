"""A job: a schedule, a target and the policies of its runs, stored by a service."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType
from yarl import URL

from domain.errors import Invalid
from domain.retry import RetryPolicy
from domain.schedule import Schedule

MIN_TIMEOUT = timedelta(seconds=1)
MAX_TIMEOUT = timedelta(minutes=30)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{0,4096}")
# What Tocsin or the connection itself says.
_RESERVED = re.compile(
    r"webhook-.*|tocsin-.*|traceparent|host|connection|content-length|transfer-encoding|te|trailer"
    r"|upgrade|expect|keep-alive|proxy-.*",
    re.IGNORECASE,
)


class JobState(StrEnum):
    """Whether a job will fire again."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    """No fire time is left."""


class HttpTarget(Struct, frozen=True, kw_only=True, tag_field="type", tag="http"):
    """An HTTP request.

    Attributes:
        body: JSON exactly as the service sent it; a JSON string is delivered as plain text.
        timeout: Bound on one attempt, from connecting to the last byte that is read.
    """

    url: str
    method: str = "POST"
    headers: dict[str, str] = {}
    body: msgspec.Raw | UnsetType = UNSET
    timeout: timedelta = timedelta(seconds=30)


# The kinds of target; a second kind makes this a union, told apart by `type`.
Target = HttpTarget


class Job(Struct, frozen=True, kw_only=True):
    """A stored intent, as its service sees it."""

    id: UUID
    name: str
    description: str
    tags: list[str]
    schedule: Schedule
    target: Target
    retry: RetryPolicy
    state: JobState
    next_fire_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


def visible_state(
    *, paused: bool, next_claim_at: datetime | None, claimed_for: list[datetime], now: datetime
) -> tuple[JobState, datetime | None]:
    """A job's state and next fire time as its service should see them.

    Fire times are claimed some seconds ahead; until they come they are still "next" to a reader.

    Args:
        next_claim_at: The first fire time that no dispatcher has claimed.
        claimed_for: The fire times claimed last, in order.
    """
    if paused:
        return JobState.PAUSED, None
    upcoming = next((instant for instant in claimed_for if instant > now), next_claim_at)
    return (JobState.ACTIVE if upcoming else JobState.COMPLETED), upcoming


def check_target(target: Target) -> None:
    """Refuse a target that could never be rung.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    _check_url(target.url)
    for name, value in target.headers.items():
        pointer = "/headers/" + name.replace("~", "~0").replace("/", "~1")
        if not _HEADER_NAME.fullmatch(name):
            raise Invalid(
                "A header's name is made of letters, digits and !#$%&'*+-.^_`|~.", pointer
            )
        if _RESERVED.fullmatch(name):
            raise Invalid("This header is set by Tocsin; leave it out.", pointer)
        if not _HEADER_VALUE.fullmatch(value):
            raise Invalid("A header's value is at most 4,096 printable ASCII characters.", pointer)
    if not MIN_TIMEOUT <= target.timeout <= MAX_TIMEOUT:
        raise Invalid("The timeout must be between 1 second and 30 minutes.", "/timeout")


def _check_url(text: str) -> None:
    try:
        url = URL(text)
        known = url.scheme in ("http", "https") and url.host and url.port
    except ValueError:
        known = False
    if not known or re.search(r"[\x00-\x20\x7f]", text):
        raise Invalid("The URL must be absolute, such as 'https://example.com/run'.", "/url")
    if url.raw_user is not None or url.raw_password is not None:
        raise Invalid("Put credentials into a header, not into the URL.", "/url")
