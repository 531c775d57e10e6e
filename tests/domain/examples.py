"""How many examples a property is tried on."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

FEW = 25


def examples(*, max_examples: int = 100, **others: Any) -> settings:
    """Hypothesis' settings: so many examples, and a few where tests are to be fast."""
    if settings.get_current_profile_name() == "fast":
        max_examples = min(max_examples, FEW)
    return settings(max_examples=max_examples, **others)
