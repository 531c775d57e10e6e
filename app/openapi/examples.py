"""Bodies to begin with: the first of each kind is what a reader wants most likely."""

from __future__ import annotations

from typing import Any, NamedTuple


class Example(NamedTuple):
    """A body that is taken as it stands."""

    name: str
    summary: str
    value: dict[str, Any]


_TARGET = {
    "type": "http",
    "url": "https://example.com/reports",
    "body": {"report": "daily"},
}
_NIGHTLY = {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "JobBody": (
        Example(
            "nightly",
            "Every night at three, in Berlin",
            {"name": "nightly-report", "schedule": _NIGHTLY, "target": _TARGET},
        ),
        Example(
            "once",
            "Once, an hour from now",
            {"name": "reminder", "schedule": {"after": "PT1H"}, "target": _TARGET},
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
    ),
    "JobChangesBody": (
        Example("schedule", "Another schedule", {"schedule": {**_NIGHTLY, "cron": "30 4 * * *"}}),
        Example("name", "Another name", {"name": "morning-report"}),
    ),
    "PreviewBody": (
        Example("nightly", "The next five nights", {"schedule": _NIGHTLY, "count": 5}),
    ),
    "TriggerBody": (Example("beside", "Beside runs under way", {"overlap": "allow_all"}),),
    "PauseBody": (Example("reason", "With a reason", {"reason": "The target moves house."}),),
    "ResumeBody": (Example("catch_up", "With what it has missed", {"catch_up": True}),),
    "BackfillBody": (
        Example(
            "dry_run",
            "How many runs a week would be",
            {"start": "2026-11-16T00:00:00Z", "end": "2026-11-23T00:00:00Z", "dry_run": True},
        ),
        Example(
            "missing",
            "Run what did not succeed in that week",
            {
                "start": "2026-11-16T00:00:00Z",
                "end": "2026-11-23T00:00:00Z",
                "only_missing": True,
            },
        ),
    ),
    "ChosenRunsBody": (
        Example(
            "since",
            "Those of fire times since then",
            {"since": "2026-11-24T03:00:00Z", "limit": 100},
        ),
    ),
    "CalendarBody": (
        Example(
            "holidays",
            "Two days, and some between the years",
            {
                "description": "When the office is closed",
                "exclude": [
                    {"date": "2027-05-01"},
                    {"date": "2027-10-03"},
                    {"from": "2027-12-24", "to": "2028-01-01"},
                ],
            },
        ),
    ),
    "ServiceBody": (Example("service", "A service", {"name": "billing"}),),
    "ServiceChangesBody": (
        Example("limits", "More jobs than others", {"limits": {"jobs": 500_000}}),
    ),
    "KeyBody": (
        Example(
            "worker",
            "A key that does all but to administer",
            {"name": "billing-backend", "scopes": ["read", "operate", "write"]},
        ),
    ),
    "RotationBody": (Example("hour", "Both are good for an hour", {"overlap": "PT1H"}),),
    "SecretBody": (Example("token", "A token of the target's", {"value": "s3cr3t"}),),
    "SigningSecretRotationBody": (
        Example("hour", "Both are good for an hour", {"overlap": "PT1H"}),
    ),
    "MemberBody": (Example("operator", "Reads, operates and writes", {"role": "operator"}),),
}
