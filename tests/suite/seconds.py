"""Where the time goes: seconds per folder at the end of a run, and the slowest file of each."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

import pytest


class Seconds:
    """Adds up what tests took, in whichever process they ran."""

    def __init__(self) -> None:
        self._files: Counter[PurePosixPath] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test's setup, call or teardown."""
        self._files[PurePosixPath(report.nodeid.partition("::")[0])] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the folders, slowest first."""
        folders: Counter[PurePosixPath] = Counter()
        for file, seconds in self._files.items():
            folders[file.parent] += seconds
        terminalreporter.section(f"seconds per folder, {folders.total():.0f} in all")
        for folder, seconds in folders.most_common():
            inside = {file: of for file, of in self._files.items() if file.parent == folder}
            slowest = max(inside, key=inside.__getitem__)
            told = f"{slowest.name} {inside[slowest]:.1f}"
            terminalreporter.write_line(f"{seconds:7.1f}  {folder}, of which {told}")
