"""Log lines leave together, and none is lost on the way."""

from __future__ import annotations

import asyncio
import errno
import io
import subprocess
import sys

import pytest

from app.observability.logs import GatheredLines
from app.up.prefixed_output import PrefixedOutput
from tests.processes import CHECKOUT


class Written(io.StringIO):
    """A file that counts how often it is written to."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def write(self, text: str) -> int:
        self.times += 1
        return super().write(text)


class Full(Written):
    """A file on a full disk."""

    def write(self, text: str) -> int:
        self.times += 1
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_lines_of_one_turn_are_written_at_once_and_in_order():
    file = Written()
    lines = GatheredLines(file)
    for number in range(3):
        lines.write(f"{number}\n")
    assert file.getvalue() == ""
    await asyncio.sleep(0)
    assert (file.getvalue(), file.times) == ("0\n1\n2\n", 1)


async def test_a_full_disk_costs_lines_and_nothing_else():
    full = Full()
    await asyncio.to_thread(GatheredLines(full).write, "from a thread\n")
    PrefixedOutput(full).line("worker", "of a child")
    assert full.times == 2


async def test_a_thread_does_not_wait_for_the_event_loop():
    file = Written()
    await asyncio.to_thread(GatheredLines(file).write, "from a thread\n")
    assert file.getvalue() == "from a thread\n"


@pytest.mark.usefixtures("starts_processes")
def test_the_last_words_of_a_process_are_written():
    program = (
        "import asyncio, structlog\n"
        "from app.observability.logs import configure_logs\n"
        "configure_logs('info')\n"
        "async def main():\n"
        "    structlog.get_logger().info('the.last')\n"
        "    raise SystemExit(3)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, check=False, timeout=60
    )
    assert ended.returncode == 3
    assert b"the.last" in ended.stderr
