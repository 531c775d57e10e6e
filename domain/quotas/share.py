"""Fairness between services: what there is not enough of is shared."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID


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
