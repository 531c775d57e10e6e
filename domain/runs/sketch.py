"""Sketches of durations: their percentiles, within 1 % or a microsecond, however they were joined.

A sketch is a DDSketch, stored as pairs of a bin and how many values fell into it. Bins are the
same in all sketches, and a bin may be told of more than once: to join sketches, join their bytes.
"""

from __future__ import annotations

import math
import struct
from collections import Counter

from ddsketch.ddsketch import BaseDDSketch
from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import DenseStore
from msgspec import Struct

ACCURACY = 0.01
LEAST_MS = 0.001
"""What is shorter, which no clock of ours tells, counts as nothing."""
_PAIR = struct.Struct(">hI")
_BINS = LogarithmicMapping(ACCURACY)
BINS_PER_E = 1 / math.log(_BINS.gamma)
"""The bin of x milliseconds is `ceil(ln(x) * BINS_PER_E)`: storage computes it in SQL."""
_LEAST_BIN = _BINS.key(LEAST_MS)


class Percentiles(Struct, frozen=True, kw_only=True):
    """In milliseconds; `max` is exact."""

    p50: float
    p90: float
    p99: float
    max: float


def compacted(sketch: bytes) -> bytes:
    """The same sketch with each bin told of once, in order."""
    return b"".join(_PAIR.pack(key, count) for key, count in sorted(_bins(sketch).items()))


def percentiles(sketch: bytes, longest: float | None) -> Percentiles | None:
    """Percentiles of a sketch; None when it is empty.

    Args:
        longest: The greatest of its values.
    """
    if longest is None:
        return None
    found = _sketch(_bins(sketch))
    p50, p90, p99 = (
        min(found.get_quantile_value(share) or 0.0, longest) for share in (0.5, 0.9, 0.99)
    )
    return Percentiles(p50=p50, p90=p90, p99=p99, max=longest)


def _bins(sketch: bytes) -> Counter[int]:
    bins: Counter[int] = Counter()
    for key, count in _PAIR.iter_unpack(sketch):
        bins[key] += count
    return bins


def _sketch(bins: Counter[int]) -> BaseDDSketch:
    nothing = sum(count for key, count in bins.items() if key <= _LEAST_BIN)
    store = DenseStore()
    for key, count in bins.items():
        if key > _LEAST_BIN:
            store.add(key, count)
    return BaseDDSketch(_BINS, store, DenseStore(), nothing)
