"""How much text of cron expressions and rules is read of one schedule or calendar."""

from __future__ import annotations

from domain.errors import Invalid
from domain.schedules.rrule.rule import OCCURRENCE_WEIGHT

MAX_WEIGHT = 16_000
MIN_WEIGHT = 50


class Reading:
    """Counts the texts of specs that belong together; the same text counts once."""

    def __init__(self) -> None:
        self._read: set[str] = set()
        self._weight = 0

    def add(self, text: str, more: int = 0) -> None:
        """Count a text.

        Args:
            more: What it costs to read beside its characters, in characters.

        Raises:
            Invalid: When it is one too many.
        """
        if text not in self._read:
            self._read.add(text)
            self._weight += max(len(text), MIN_WEIGHT) + more
        if self._weight > MAX_WEIGHT:
            raise Invalid(
                f"These are too many cron expressions and rules: at most {MAX_WEIGHT:,} characters "
                "are read in all, with those of calendars. Each counts as at least "
                f"{MIN_WEIGHT}, and each occurrence of a COUNT as up to {OCCURRENCE_WEIGHT}."
            )
