"""Changes of jobs as clients send them: a merge patch of the job as it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, get_args

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from app.requests.merge_patch import Members, members_of, merged, names_of, with_unknown_nulls
from app.requests.wrong_values import refusal_of
from app.schemas.examples import NIGHTLY, Example, Examples
from app.schemas.jobs import CatchupBody, Description, Name, RetryBody, Tags, target_of
from app.schemas.schedules import ScheduleBody
from commands.jobs.update_job import Changes, ChangesOf
from domain.errors import Gathering, Invalid
from domain.jobs.job import Job
from domain.policies.overlap import Overlap
from domain.schedules.kinds import FIELDS, NAMES
from domain.targets import Allowed, TargetBody
from domain.targets.json import Json
from storage.documents.job import JobResource

_KINDS = (*NAMES, "specs")
_MERGED = ("schedule", "target", "retry", "catchup")
_NEEDED = ("schedule", "target")
# What a job has that was stored without them.
_DEFAULTS = {
    "name": Raw(b'"unnamed"'),
    "description": Raw(b'""'),
    "tags": Raw(b"[]"),
    "overlap": Raw(b'"skip"'),
    "retry": Raw(b"{}"),
    "catchup": Raw(b"{}"),
}
_FIELDS = {body.__struct_config__.tag: names_of(body) for body in get_args(TargetBody)}
_KNOWN = {
    "schedule": names_of(ScheduleBody),
    "target": frozenset({"type"}).union(*_FIELDS.values()),
    "retry": names_of(RetryBody),
    "catchup": names_of(CatchupBody),
}


class JobChangesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON Merge Patch (RFC 7396): what is not named stays, null removes, at every depth."""

    EXAMPLES: ClassVar[Examples] = (
        Example("schedule", "Another schedule", {"schedule": {**NIGHTLY, "cron": "30 4 * * *"}}),
        Example("name", "Another name", {"name": "morning-report"}),
    )

    schedule: (
        Annotated[
            dict[str, Json],
            Meta(
                description="Members of a ScheduleBody. A schedule has one kind: for another one "
                'set the old one to null: {"every": null, "cron": "0 3 * * *"}',
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    target: (
        Annotated[dict[str, Json], Meta(description="Members of the target")] | UnsetType | None
    ) = UNSET
    name: Name | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    tags: Tags | UnsetType | None = UNSET
    retry: (
        Annotated[dict[str, Json], Meta(description="Members of a RetryBody")] | UnsetType | None
    ) = UNSET
    overlap: Overlap | UnsetType | None = UNSET
    catchup: (
        Annotated[dict[str, Json], Meta(description="Members of a CatchupBody")] | UnsetType | None
    ) = UNSET
    reset_run_count: Annotated[
        bool, Meta(description="Count the runs that `max_runs` allows anew from here on")
    ] = False

    def changes(self, now: datetime, allowed: Allowed) -> ChangesOf:
        """What makes the changes of the job as it is stored.

        Args:
            allowed: What the operator allows targets to be.
        """

        def of(job: Job) -> Changes:
            result = self._merged_into(JobResource.of(job))
            return result.changes(now, allowed, reset_run_count=self.reset_run_count)

        return of

    def _merged_into(self, job: JobResource) -> _Merged:
        """The merged values of what is named and not as it was.

        Raises:
            Invalid: With a pointer into the patch, or to what is stored and stands in its way.
            WrongValues: When the merged job is none, with all that is wrong.
        """
        document: dict[str, Any] = {}
        for name in self.__struct_fields__:
            sent = getattr(self, name)
            if sent is UNSET or name == "reset_run_count":
                continue
            if sent is None and name in _NEEDED:
                raise Invalid(f"A job has a {name}; it may be changed and not removed.", f"/{name}")
            if sent is None:
                document[name] = _DEFAULTS[name]
            elif name not in _MERGED:
                document[name] = sent
            else:
                stored = members_of(getattr(job, name))
                value = merged(stored, sent, f"/{name}")
                value = with_unknown_nulls(value, sent, _KNOWN[name])
                _refuse_what_is_in_the_way(name, stored, sent, value)
                if _differ(stored, value):
                    document[name] = value
        body = msgspec.json.encode(document)
        try:
            return msgspec.json.decode(body, type=_Merged)
        except msgspec.ValidationError as error:
            raise refusal_of(body, _Merged, error) from None


class _Merged(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schedule: ScheduleBody | UnsetType = UNSET
    target: TargetBody | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    retry: RetryBody | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET
    catchup: CatchupBody | UnsetType = UNSET

    def changes(self, now: datetime, allowed: Allowed, *, reset_run_count: bool) -> Changes:
        """The changes.

        Raises:
            Invalid: With a pointer into the merged job.
        """
        given: dict[str, Any] = {}
        wrong = Gathering()
        if isinstance(self.schedule, ScheduleBody):
            with wrong.within("/schedule"):
                given["schedule"] = self.schedule.schedule(now)
        if not isinstance(self.target, UnsetType):
            with wrong.within():
                given["target"] = target_of(self.target, allowed)
        if isinstance(self.retry, RetryBody):
            with wrong.within("/retry"):
                given["retry"] = self.retry.policy()
        if isinstance(self.catchup, CatchupBody):
            with wrong.within("/catchup"):
                given["catchup"] = self.catchup.policy()
        wrong.refuse()
        return Changes(
            name=self.name,
            description=self.description,
            tags=self.tags,
            overlap=self.overlap,
            reset_run_count=reset_run_count,
            **given,
        )


def _differ(stored: Members, value: Members) -> bool:
    return {name: bytes(one) for name, one in stored.items()} != {
        name: bytes(one) for name, one in value.items()
    }


def _refuse_what_is_in_the_way(
    name: str, stored: Members, sent: Members, value: Mapping[str, Raw]
) -> None:
    """Refuse what is stored, not named, and does not go with what is."""
    if name == "schedule":
        kinds = [kind for kind in _KINDS if kind in value]
        olds = [kind for kind in kinds if kind not in sent] if len(kinds) > 1 else []
        for kind, (_, *others) in FIELDS.items():
            if kind not in value:
                olds += [one for one in others if one in value and one not in sent]
        what = "a schedule has one kind"
    elif name == "target" and "type" in sent and bytes(sent["type"]) != bytes(stored["type"]):
        kind = bytes(sent["type"]).decode().strip('"')
        olds = [one for one in value if one not in sent and one not in _FIELDS.get(kind, value)]
        what = f"a target of type {kind} has it not"
    else:
        return
    if olds:
        nulls = ", ".join(f'"{one}": null' for one in olds)
        raise Invalid(
            f"The job has `{olds[0]}` here, and {what}. To replace it, send {nulls} beside the "
            "new members.",
            f"/{name}/{olds[0]}",
        )
