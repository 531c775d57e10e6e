"""Schemas of all bodies, as strict as they are read, in words that generators understand."""

from __future__ import annotations

from typing import Any

import msgspec

from app.bodies import (
    BackfillBody,
    ChosenRunsBody,
    JobBody,
    PauseBody,
    PreviewBody,
    ResumeBody,
    TriggerBody,
)
from app.job_patches import JobChangesBody
from app.openapi.plain_words import DURATION, REF, in_words, name_of, plain
from app.problems import Problem
from app.resources import (
    BackfillPage,
    BackfillResource,
    BulkResource,
    CalendarPage,
    JobPage,
    LedgerPage,
    RunDetailResource,
    RunPage,
    RunResource,
)
from app.routes.health import Health
from app.schedule_bodies import CalendarBody
from app.schedule_resources import CalendarResource, PreviewResource
from app.secret_resources import (
    SecretBody,
    SecretPage,
    SecretResource,
    SigningSecretPage,
    SigningSecretResource,
    SigningSecretRotationBody,
)
from app.service_bodies import (
    KeyBody,
    MemberBody,
    RotationBody,
    ServiceBody,
    ServiceChangesBody,
)
from app.service_resources import (
    AuditPage,
    KeyPage,
    KeyResource,
    MemberPage,
    MemberResource,
    MeResource,
    ServicePage,
    ServiceResource,
)
from app.stats_resources import StatsResource
from app.target_resources import TargetList
from domain.job_filter import JobSort, Order
from domain.resources.job import JobResource
from domain.schedules.kinds import NAMES

Schema = dict[str, Any]

_BODIES = (
    JobBody,
    JobChangesBody,
    PreviewBody,
    TriggerBody,
    PauseBody,
    ResumeBody,
    BackfillBody,
    ChosenRunsBody,
    CalendarBody,
    JobResource,
    JobPage,
    RunResource,
    RunPage,
    RunDetailResource,
    LedgerPage,
    PreviewResource,
    CalendarResource,
    CalendarPage,
    BackfillResource,
    BackfillPage,
    BulkResource,
    StatsResource,
    ServiceBody,
    ServiceChangesBody,
    ServiceResource,
    ServicePage,
    KeyBody,
    RotationBody,
    KeyResource,
    KeyPage,
    SecretBody,
    SecretResource,
    SecretPage,
    SigningSecretRotationBody,
    SigningSecretResource,
    SigningSecretPage,
    MemberBody,
    MemberResource,
    MemberPage,
    MeResource,
    AuditPage,
    TargetList,
    Problem,
    Health,
    JobSort,
    Order,
)
_PARTS_OF_BODIES = {"Limits"}
_ONE_OF_FIELDS = {
    "SpecBody": NAMES,
    "ScheduleBody": (*NAMES, "specs"),
    "ExclusionBody": (*NAMES, "date", "from", "calendar"),
}


def schemas() -> dict[str, Schema]:
    """All schemas by name."""
    _, found = msgspec.json.schema_components(_BODIES, ref_template=f"{REF}{{name}}")
    named = {name_of(name): plain(schema) for name, schema in found.items()}
    named["Duration"] = DURATION
    for name, schema in named.items():
        schema["title"] = name
        # What follows in a docstring is for those who read the code.
        schema["description"] = schema["description"].partition("\n\n")[0]
        if name.endswith("Body") or name in _PARTS_OF_BODIES:
            schema["properties"] = {
                field: in_words(said) for field, said in schema["properties"].items()
            }
    for name, fields in _ONE_OF_FIELDS.items():
        _take_one(named[name], fields)
    _add_listed_job(named)
    return named


def _take_one(schema: Schema, fields: tuple[str, ...]) -> None:
    """Exactly one of the fields must be there.

    Not as a plain `oneOf`, of which generators would make as many types.
    """
    schema["if"] = {"oneOf": [{"required": [field]} for field in fields]}
    schema["else"] = {"not": {}}


def _add_listed_job(named: dict[str, Schema]) -> None:
    """A job in a list has the fields that were asked for."""
    listed = {name: value for name, value in named["JobResource"].items() if name != "required"}
    listed |= {"title": "ListedJob", "description": "A job, or those of its fields asked for."}
    named["ListedJob"] = listed
    named["JobPage"]["properties"]["items"]["items"] = {"$ref": f"{REF}ListedJob"}
