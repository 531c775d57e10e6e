"""Jobs as clients send them, and in a list; one by itself is the document that is stored of it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from app.schemas.examples import NIGHTLY, TARGET, Example, Examples
from app.schemas.pages import Page
from app.schemas.schedules import ScheduleBody
from domain.durations import Duration, duration_of
from domain.errors import within
from domain.policies.catchup import MAX_LIMIT, CatchupPolicy, Coalesce, check_catchup
from domain.policies.overlap import Overlap
from domain.policies.retry import MAX_ATTEMPTS, RetryPolicy, check_retry
from domain.targets import Allowed, Target, TargetBody, check_target
from storage.documents.job import JobResource

# Postgres stores no NUL in text.
_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_NO_NUL)]
Description = Annotated[str, Meta(max_length=2_000, pattern=_NO_NUL)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=_NO_NUL)]
Tags = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=64, pattern=_NO_NUL)]], Meta(max_length=20)
]


class RetryBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often and how soon to try again."""

    max_attempts: Annotated[
        int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_ATTEMPTS})
    ] = 5
    min_backoff: Duration = "PT5S"
    max_backoff: Duration = "PT5M"
    multiplier: Annotated[float, Meta(extra_json_schema={"minimum": 1, "maximum": 100})] = 2.0
    jitter: bool = True
    max_retry_duration: Duration | None = None
    pause_on_failure: bool = False

    def policy(self) -> RetryPolicy:
        """The policy.

        Raises:
            Invalid: With a pointer into this body.
        """
        longest = self.max_retry_duration
        policy = RetryPolicy(
            max_attempts=self.max_attempts,
            min_backoff=duration_of(self.min_backoff, "/min_backoff"),
            max_backoff=duration_of(self.max_backoff, "/max_backoff"),
            multiplier=self.multiplier,
            jitter=self.jitter,
            max_retry_duration=(
                None if longest is None else duration_of(longest, "/max_retry_duration")
            ),
            pause_on_failure=self.pause_on_failure,
        )
        check_retry(policy)
        return policy


class CatchupBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of fire times that passed while nothing could fire them."""

    window: Duration = "PT1M"
    coalesce: Coalesce = Coalesce.LATEST
    limit: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_LIMIT})] = 10

    def policy(self) -> CatchupPolicy:
        """The policy.

        Raises:
            Invalid: With a pointer into this body.
        """
        policy = CatchupPolicy(
            window=duration_of(self.window, "/window"), coalesce=self.coalesce, limit=self.limit
        )
        check_catchup(policy)
        return policy


class JobBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job to store."""

    EXAMPLES: ClassVar[Examples] = (
        Example(
            "nightly",
            "Every night at three, in Berlin",
            {"name": "nightly-report", "schedule": NIGHTLY, "target": TARGET},
        ),
        Example(
            "once",
            "Once, an hour from now",
            {"name": "reminder", "schedule": {"after": "PT1H"}, "target": TARGET},
        ),
        Example(
            "careful",
            "Every five minutes, with tags, retries and without overlap",
            {
                "name": "sync",
                "description": "Copies new orders to the warehouse.",
                "tags": ["orders"],
                "schedule": {"every": "PT5M"},
                "target": {
                    "type": "http",
                    "url": "https://example.com/sync",
                    "method": "POST",
                    "headers": {"X-Source": "tocsin"},
                    "timeout": "PT30S",
                },
                "retry": {"max_attempts": 3, "min_backoff": "PT10S"},
                "overlap": "skip",
                "catchup": {"window": "PT10M"},
            },
        ),
    )

    schedule: ScheduleBody
    target: TargetBody
    name: Name = "unnamed"
    description: Description = ""
    tags: Tags = []
    retry: RetryBody = RetryBody()
    overlap: Overlap = Overlap.SKIP
    catchup: CatchupBody = CatchupBody()


class TriggerBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to run a job now."""

    EXAMPLES: ClassVar[Examples] = (
        Example("beside", "Beside runs under way", {"overlap": "allow_all"}),
    )

    overlap: Overlap | None = None


class PauseBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a job is paused; it is shown as `pause_reason` until the job is resumed."""

    EXAMPLES: ClassVar[Examples] = (
        Example("reason", "With a reason", {"reason": "The target moves house."}),
    )

    reason: Reason | None = None


class ResumeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to resume a job."""

    EXAMPLES: ClassVar[Examples] = (
        Example("catch_up", "With what it has missed", {"catch_up": True}),
    )

    catch_up: bool = False


class JobPage(Page[JobResource], frozen=True, kw_only=True):
    """A page of jobs; it may be short, and only the last one has null as `next_cursor`."""


def target_of(body: TargetBody, allowed: Allowed) -> Target:
    """The target of a body.

    Raises:
        Invalid: With a pointer to the value at fault, from the job's root.
    """
    with within("/target"):
        target = body.target()
        check_target(target, allowed)
    return target
