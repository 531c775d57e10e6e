"""Time zones come from the pinned tables, whatever the host has."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest
import tzdata

from domain.schedules.clocks.zones import VERSION, zone_of

# What the `tzdata` package of 2026 says and older tables do not (IANA's NEWS of 2026a to 2026f):
# name, an instant, and what clocks there show.
NEWER = [
    ("America/Vancouver", "2026-12-10T16:00", "2026-12-10T09:00-07:00"),
    ("America/Edmonton", "2026-12-10T16:00", "2026-12-10T10:00-06:00"),
    ("America/Winnipeg", "2026-12-10T16:00", "2026-12-10T11:00-05:00"),
]
FALSE_TABLE = "Asia/Tokyo"  # which the folder of false tables has under another's name
ASK = """
import sys
from datetime import datetime, UTC
from zoneinfo import ZoneInfo
{before}
from domain.schedules.clocks.zones import zone_of
noon = datetime(2026, 12, 10, 12, tzinfo=UTC)
print(noon.astimezone(zone_of("Europe/London")).isoformat())
print(noon.astimezone(ZoneInfo("Europe/London")).isoformat())
"""


@pytest.fixture
def false_tables(tmp_path: Path) -> Path:
    """A folder that says of London what is true of Tokyo."""
    table = Path(tzdata.__file__).with_name("zoneinfo").joinpath(*FALSE_TABLE.split("/"))
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "London").write_bytes(table.read_bytes())
    return tmp_path


@pytest.mark.promise("time zones", "pinned tzdata")
@pytest.mark.parametrize("before", ["", 'ZoneInfo("Europe/London")'], ids=["first", "read before"])
@pytest.mark.usefixtures("starts_processes")
def test_the_tables_of_the_host_are_not_read(false_tables: Path, before: str):
    found = subprocess.run(
        [sys.executable, "-c", ASK.format(before=before)],
        env={**os.environ, "PYTHONTZPATH": str(false_tables)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["2026-12-10T12:00:00+00:00"] * 2


def test_tests_read_the_same_tables():
    assert TZPATH == ()
    assert ZoneInfo("Europe/London") is zone_of("Europe/London")
    assert VERSION == tzdata.IANA_VERSION


@pytest.mark.parametrize(("name", "instant", "shown"), NEWER)
def test_the_tables_are_those_of_2026(name: str, instant: str, shown: str):
    moment = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert moment.astimezone(zone_of(name)).isoformat(timespec="minutes") == shown
