"""Lines of several processes on one terminal, each behind its process' name."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TextIO

COLOURS = (36, 33, 32, 35, 34, 31, 96, 93)


class PrefixedOutput:
    """Writes lines to a stream; names are coloured on a terminal, unless NO_COLOR is set."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR")
        self._colour_of: dict[str, int] = {}

    def line(self, name: str, text: str) -> None:
        """Write a line of a process."""
        self.say(f"{self._prefix(name)} {text}")

    def say(self, text: str) -> None:
        """Write a line of our own. A reader that left, or a full disk, is no reason to stop."""
        with suppress(OSError):
            self._stream.write(text + "\n")
            self._stream.flush()

    def _prefix(self, name: str) -> str:
        prefix = f"{name:<10} |"
        if not self._coloured:
            return prefix
        colour = self._colour_of.setdefault(name, COLOURS[len(self._colour_of) % len(COLOURS)])
        return f"\033[{colour}m{prefix}\033[0m"
