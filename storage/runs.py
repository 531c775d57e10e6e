"""How a row of `runs` becomes a Run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from domain.run import Run
from storage.tables import runs

RUN_COLUMNS = [runs.c[name] for name in Run.__struct_fields__]


def run_of(row: Row[Any, *tuple[Any, ...]]) -> Run:
    """The run of a row that holds `RUN_COLUMNS`, maybe with others behind them."""
    return Run(**dict(zip(Run.__struct_fields__, row, strict=False)))
