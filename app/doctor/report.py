"""How findings are shown."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.doctor.finding import Finding


def as_lines(found: Sequence[Finding]) -> str:
    """One line each, for people."""
    width = max(len(one.subject) for one in found)
    return "\n".join(
        f"{one.level.upper():4}  {one.subject:{width}}  {one.said}"
        + (f". {one.advice}" if one.advice else "")
        for one in found
    )


def as_object(found: Sequence[Finding]) -> str:
    """The same in JSON."""
    return msgspec.json.encode({"findings": found}).decode()
