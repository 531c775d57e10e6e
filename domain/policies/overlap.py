"""What a run does while an earlier run of its job is still active."""

from __future__ import annotations

from enum import StrEnum


class Overlap(StrEnum):
    """The policies, named as Temporal names them."""

    SKIP = "skip"
    """The run is let go."""
    BUFFER_ONE = "buffer_one"
    """The first such run waits for its turn, others are let go."""
    BUFFER_ALL = "buffer_all"
    """Every run waits for its turn, in order."""
    CANCEL_OTHER = "cancel_other"
    """The active run is asked to end; this one begins when it has."""
    TERMINATE_OTHER = "terminate_other"
    """The active run ends at once, and this one begins."""
    ALLOW_ALL = "allow_all"
    """Runs do not look at each other."""


class Verdict(StrEnum):
    """What becomes of a run that found another one active."""

    SKIP = "skip"
    WAIT = "wait"
    GO = "go"


def verdict(policy: Overlap, *, others_wait: bool) -> Verdict:
    """What a run does that finds an earlier run of its job active.

    Args:
        others_wait: Whether a run of the job waits for its turn already.
    """
    match policy:
        case Overlap.SKIP:
            return Verdict.SKIP
        case Overlap.BUFFER_ONE:
            return Verdict.SKIP if others_wait else Verdict.WAIT
        case Overlap.BUFFER_ALL | Overlap.CANCEL_OTHER:
            return Verdict.WAIT
        case Overlap.TERMINATE_OTHER | Overlap.ALLOW_ALL:
            return Verdict.GO


def ends_others(policy: Overlap) -> bool:
    """Whether the active run, and those that wait, make room."""
    return policy in (Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER)
