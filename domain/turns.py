"""Fairness between services: they take turns, and share what there is not enough of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
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


def fair_shares(wanted: Mapping[UUID, int], most: int) -> dict[UUID, int]:
    """How much of `most` each service gets: what one does not want is left to the others.

    Nobody is given more than it wants, and who wants little is served first (max-min fairness).
    """
    shares: dict[UUID, int] = {}
    for place, (service_id, count) in enumerate(sorted(wanted.items(), key=lambda item: item[1])):
        even = -(-most // (len(wanted) - place))
        shares[service_id] = share = min(count, even)
        most -= share
    return shares
