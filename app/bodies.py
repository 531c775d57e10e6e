"""What clients send, and how it becomes ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from commands.update_job import Changes
from domain.errors import Invalid, within
from domain.job import HttpTarget, check_target
from domain.retry import MAX_ATTEMPTS, RetryPolicy, check_retry
from domain.schedule import Schedule, zone

# Postgres stores no NUL in text.
_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_NO_NUL)]
Description = Annotated[str, Meta(max_length=2_000, pattern=_NO_NUL)]
Tags = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=64, pattern=_NO_NUL)]], Meta(max_length=20)
]
Duration = Annotated[
    timedelta | Annotated[float, Meta(extra_json_schema={"minimum": 0})],
    Meta(description="ISO 8601, such as PT30S, or a number of seconds"),
]
HeaderValue = Annotated[str, Meta(extra_json_schema={"maxLength": 4_096})]
Json = Annotated[
    msgspec.Raw,
    Meta(description="Any JSON; a string is delivered as plain text", extra_json_schema={}),
]
SPECS = ("at", "after", "every", "cron")


class ScheduleBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When to fire: exactly one of `at`, `after`, `every` and `cron`."""

    at: (
        Annotated[
            datetime,
            Meta(
                description="RFC 3339; a local time is read in `timezone`",
                examples=["2026-11-24T03:00:00Z", "2026-11-24T03:00:00"],
            ),
        ]
        | UnsetType
    ) = UNSET
    after: Duration | UnsetType = UNSET
    every: Duration | UnsetType = UNSET
    cron: (
        Annotated[str, Meta(min_length=1, max_length=256, examples=["0 3 * * *", "@hourly"])]
        | UnsetType
    ) = UNSET
    timezone: Annotated[str, Meta(min_length=1, max_length=64, examples=["Europe/London"])] = "UTC"

    def schedule(self, now: datetime) -> Schedule:
        """The schedule, accepted at `now`.

        Raises:
            Invalid: With a pointer into this body.
        """
        given = [name for name in SPECS if getattr(self, name) is not UNSET]
        if len(given) != 1:
            raise Invalid("Give exactly one of at, after, every and cron.")
        timezone = zone(self.timezone)
        return Schedule(
            accepted_at=now,
            at=None if self.at is UNSET else _instant(self.at, timezone),
            after=None if self.after is UNSET else _duration(self.after, "/after"),
            every=None if self.every is UNSET else _duration(self.every, "/every"),
            cron=None if self.cron is UNSET else self.cron,
            timezone=self.timezone,
        )


OneSchedule = Annotated[
    ScheduleBody,
    Meta(extra_json_schema={"oneOf": [{"required": [name]} for name in SPECS]}),
]


class HttpTargetBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="http"
):
    """An HTTP request to make."""

    url: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2_048,
            extra_json_schema={"format": "uri", "examples": ["https://example.com/run"]},
        ),
    ]
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: Annotated[dict[str, HeaderValue], Meta(max_length=50)] = {}
    body: Json | UnsetType = UNSET
    timeout: Duration = timedelta(seconds=30)

    def target(self) -> HttpTarget:
        """The target.

        Raises:
            Invalid: With a pointer into this body.
        """
        target = HttpTarget(
            url=self.url,
            method=self.method,
            headers=self.headers,
            # Raw points into the request's buffer; a copy lets go of it.
            body=self.body.copy() if isinstance(self.body, msgspec.Raw) else UNSET,
            timeout=_duration(self.timeout, "/timeout"),
        )
        check_target(target)
        return target


class RetryBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often and how soon to try again."""

    max_attempts: Annotated[
        int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_ATTEMPTS})
    ] = 5
    min_backoff: Duration = timedelta(seconds=5)
    max_backoff: Duration = timedelta(minutes=5)
    multiplier: Annotated[float, Meta(extra_json_schema={"minimum": 1, "maximum": 100})] = 2.0
    jitter: bool = True

    def policy(self) -> RetryPolicy:
        """The policy.

        Raises:
            Invalid: With a pointer into this body.
        """
        policy = RetryPolicy(
            max_attempts=self.max_attempts,
            min_backoff=_duration(self.min_backoff, "/min_backoff"),
            max_backoff=_duration(self.max_backoff, "/max_backoff"),
            multiplier=self.multiplier,
            jitter=self.jitter,
        )
        check_retry(policy)
        return policy


class JobBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job to store."""

    schedule: OneSchedule
    target: HttpTargetBody
    name: Name = "unnamed"
    description: Description = ""
    tags: Tags = []
    retry: RetryBody = RetryBody()


class JobChangesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given replaces what is stored, a schedule or a target as a whole."""

    schedule: OneSchedule | UnsetType = UNSET
    target: HttpTargetBody | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    retry: RetryBody | UnsetType = UNSET

    def changes(self, now: datetime) -> Changes:
        """The changes.

        Raises:
            Invalid: With a pointer into this body.
        """
        given: dict[str, Any] = {}
        if isinstance(self.schedule, ScheduleBody):
            with within("/schedule"):
                given["schedule"] = self.schedule.schedule(now)
        if isinstance(self.target, HttpTargetBody):
            with within("/target"):
                given["target"] = self.target.target()
        if isinstance(self.retry, RetryBody):
            with within("/retry"):
                given["retry"] = self.retry.policy()
        return Changes(name=self.name, description=self.description, tags=self.tags, **given)


def _instant(value: datetime, timezone: Any) -> datetime:
    try:
        aware = value if value.tzinfo else value.replace(tzinfo=timezone)
        return aware.astimezone(UTC)
    except (OverflowError, ValueError):
        raise Invalid("The instant is out of range.", "/at") from None


def _duration(value: timedelta | float, pointer: str) -> timedelta:
    try:
        return value if isinstance(value, timedelta) else timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise Invalid("The duration is out of range.", pointer) from None
