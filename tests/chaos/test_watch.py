"""What processes print is told of, unless a fault that was made explains it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chaos.history import Fault
from tests.chaos.planted import a_fault, at
from tests.chaos.watch import errors_in


@pytest.mark.parametrize(
    ("kind", "target", "begun", "expected"),
    [
        ("disk", "fill_data: the servers' disk", 0, 0),
        ("disk", "fill_data: the servers' disk", -60, 1),
        ("valkey", "flush: valkey forgot all", 0, 1),
    ],
)
def test_valkey_may_refuse_to_write_while_its_disk_is_full(
    kind: str, target: str, begun: float, expected: int, tmp_path: Path
) -> None:
    fault = Fault(kind=kind, target=target, begun_at=at(begun), healed_at=at(begun + 5))
    refused = _line("Consumer encountered an unexpected error.", "ResponseError MISCONF")
    assert _told(tmp_path, refused, fault) == expected


@pytest.mark.parametrize(("process", "expected"), [("worker-0", 0), ("worker-1", 1)])
def test_a_process_without_memory_may_fail_to_start(
    process: str, expected: int, tmp_path: Path
) -> None:
    fault = Fault(
        kind="memory", target=f"starve: {process}, which lived", begun_at=at(-9), healed_at=at(-3)
    )
    assert _told(tmp_path, _line("process.failed", "RuntimeError"), fault) == expected


def test_a_bare_traceback_is_read_to_its_end(tmp_path: Path) -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1\n'
    fault = a_fault("kill")
    assert _told(tmp_path, trace + "MemoryError\n", fault) == 0
    assert _told(tmp_path, trace + "KeyError\n", fault) == 1


def test_an_error_of_postgres_in_a_message_is_a_fault(tmp_path: Path) -> None:
    line = _line(
        "Failed to process message aggregate_run_events().", "asyncpg.exceptions.DiskFullError"
    )
    assert _told(tmp_path, line, a_fault("postgres")) == 1


def _line(event: str, exception: str) -> str:
    told = {"event": event, "level": "error", "exception": exception}
    return json.dumps(told | {"timestamp": at(2).isoformat()})


def _told(folder: Path, text: str, fault: Fault) -> int:
    log = folder / "worker-0.log"
    log.write_text(text)
    return len(list(errors_in([log], [fault])))


@pytest.mark.parametrize(("process", "expected"), [("worker-0", 0), ("worker-1", 1)])
def test_only_the_process_whose_clock_is_shifted_may_say_that_it_is_wrong(
    process: str, expected: int, tmp_path: Path
) -> None:
    line = {
        "event": "clock.wrong",
        "level": "error",
        "clock": "is 9.8 s behind of the primary's; 1 s are allowed",
        "timestamp": at(-7).isoformat(),
    }
    log = tmp_path / f"{process}.log"
    log.write_text(json.dumps(line))
    shift = Fault(
        kind="clock", target="shift_clock: worker-0 by -10 s", begun_at=at(2), healed_at=at(4)
    )
    assert len(list(errors_in([log], [shift]))) == expected
