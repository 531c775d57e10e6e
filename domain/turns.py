"""Fairness within a batch: services take turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain, zip_longest
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")
_NOBODY = object()


def take_turns(items: Iterable[T], service_of: Callable[[T], UUID]) -> list[T]:
    """The items, one of each service, then the next of each: order within a service is kept."""
    lines: dict[UUID, list[T]] = defaultdict(list)
    for item in items:
        lines[service_of(item)].append(item)
    rounds = zip_longest(*lines.values(), fillvalue=_NOBODY)
    return [item for item in chain.from_iterable(rounds) if item is not _NOBODY]  # type: ignore[misc]
