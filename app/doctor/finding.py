"""What was found, and how bad it is."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Level(StrEnum):
    """OK needs nothing; WARN works but should be looked at; FAIL loses or stops something."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True, kw_only=True):
    """One line of the report.

    Attributes:
        subject: What was looked at.
        advice: What to do; empty where there is nothing to be done.
    """

    level: Level
    subject: str
    said: str
    advice: str = ""


def ok(subject: str, said: str) -> Finding:
    """Nothing is wrong."""
    return Finding(level=Level.OK, subject=subject, said=said)


def warn(subject: str, said: str, advice: str) -> Finding:
    """It works, but should be looked at."""
    return Finding(level=Level.WARN, subject=subject, said=said, advice=advice)


def fail(subject: str, said: str, advice: str) -> Finding:
    """Something is lost or stands still, or will be."""
    return Finding(level=Level.FAIL, subject=subject, said=said, advice=advice)
