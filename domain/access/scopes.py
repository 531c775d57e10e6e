"""What a caller may do: scopes, the roles that bundle them, and whose they are."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

INSTALLATION = UUID(int=0)
"""The installation as a service of its own: its administrators are the operators of Tocsin."""


class Scope(StrEnum):
    """A right within a service. None includes another."""

    READ = "read"  # see jobs, runs, statistics
    OPERATE = "operate"  # trigger, pause, resume, cancel, replay, backfill
    WRITE = "write"  # make, change and delete jobs and calendars
    ADMIN = "admin"  # keys, members, secrets and the audit trail


class Role(StrEnum):
    """What a person is in a service."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)
SCOPES_OF = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.OPERATOR: frozenset({Scope.READ, Scope.OPERATE, Scope.WRITE}),
    Role.ADMIN: ALL_SCOPES,
}
