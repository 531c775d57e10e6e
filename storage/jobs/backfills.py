"""How a row of `backfills` becomes a Backfill."""

from __future__ import annotations

import asyncpg

from domain.jobs.backfill import Backfill, BackfillState
from domain.policies.overlap import Overlap


def backfill_of(row: asyncpg.Record) -> Backfill:
    """The backfill of a row."""
    fields = {name: row[name] for name in Backfill.__struct_fields__}
    fields["overlap"] = Overlap(row["overlap"])
    fields["state"] = BackfillState(row["state"])
    return Backfill(**fields)
