"""What clients send, and how it becomes ours."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from app.schedule_bodies import ScheduleBody
from domain.backfill import MAX_RUNS_PER_MINUTE
from domain.catchup import MAX_LIMIT, CatchupPolicy, Coalesce, check_catchup
from domain.durations import AwareInstant, Duration, duration_of, instant_of
from domain.egress import Egress
from domain.errors import Invalid, within
from domain.overlap import Overlap
from domain.retry import MAX_ATTEMPTS, RetryPolicy, check_retry
from domain.run import RunState, Trigger
from domain.run_filter import RunFilter
from domain.targets import Target, TargetBody, check_target

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

    schedule: ScheduleBody
    target: TargetBody
    name: Name = "unnamed"
    description: Description = ""
    tags: Tags = []
    retry: RetryBody = RetryBody()
    overlap: Overlap = Overlap.SKIP
    catchup: CatchupBody = CatchupBody()


class PreviewBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule to look at; nothing is stored."""

    schedule: ScheduleBody
    after: AwareInstant | None = None
    until: AwareInstant | None = None
    count: Annotated[int, Meta(ge=1, le=1_000)] = 10


class TriggerBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to run a job now."""

    overlap: Overlap | None = None


class PauseBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a job is paused; it is shown as `pause_reason` until the job is resumed."""

    reason: Reason | None = None


class NoBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing, which is all that some operations take."""


class ResumeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to resume a job."""

    catch_up: bool = False


class BackfillBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fire times to run again: from `start` on, before `end`."""

    start: AwareInstant
    end: AwareInstant
    overlap: Overlap = Overlap.BUFFER_ALL
    only_missing: bool = False
    runs_per_minute: Annotated[
        int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_RUNS_PER_MINUTE})
    ] = 600
    dry_run: bool = False


class ChosenRunsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs: a filter, or `all` of them; what is left out of a filter narrows nothing."""

    state: RunState | None = None
    trigger: Trigger | None = None
    job_id: UUID | None = None
    since: AwareInstant | None = None
    before: AwareInstant | None = None
    all: bool = False
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 1_000

    def chosen(self) -> RunFilter:
        """The filter.

        Raises:
            Invalid: With a pointer into this body, or when it narrows nothing and does not say so.
        """
        narrowed = (self.state, self.trigger, self.job_id, self.since, self.before)
        filtered = any(value is not None for value in narrowed)
        if not filtered and not self.all:
            raise Invalid(
                "Give at least one of state, trigger, job_id, since and before, such as"
                ' {"job_id": "01937b5c-8a00-7000-8000-000000000000"}; or {"all": true}.'
            )
        if filtered and self.all:
            raise Invalid("Give either a filter or `all`, not both.", "/all")
        return RunFilter(
            states=() if self.state is None else (self.state,),
            trigger=self.trigger,
            job_id=self.job_id,
            since=self.since and instant_of(self.since, "/since"),
            before=self.before and instant_of(self.before, "/before"),
        )

    def chosen_to_replay(self) -> RunFilter:
        """The filter, of failed runs.

        Raises:
            Invalid: As `chosen`, and when it names another state: nothing but dead letters is
                replayed in bulk.
        """
        if self.state not in {None, RunState.FAILED}:
            raise Invalid(
                "In bulk, only failed runs are replayed; leave it out, or replay others one by one"
                " with POST /runs/{run_id}/replay.",
                "/state",
            )
        return self.chosen()


def target_of(body: TargetBody, actors: Collection[str], egress: Egress) -> Target:
    """The target of a body.

    Raises:
        Invalid: With a pointer to the value at fault, from the job's root.
    """
    with within("/target"):
        target = body.target()
        check_target(target, actors, egress)
    return target
