"""Percentiles keep their promise, whatever the values are and however sketches are joined."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.runs.sketch import ACCURACY, BINS_PER_E, LEAST_MS, compacted, percentiles

YEAR_MS = 366 * 86_400_000.0
VALUES = st.lists(
    st.one_of(
        st.floats(0, YEAR_MS),
        st.floats(0, 100),
        st.sampled_from([0.0, 0.001, 0.0011, 1.0, 1000.0, YEAR_MS]),
    ),
    min_size=1,
    max_size=200,
)


def sketch(values: list[float]) -> bytes:
    """As SQL makes it: each value by itself."""
    bins = (math.ceil(math.log(max(ms, LEAST_MS)) * BINS_PER_E) for ms in values)
    return b"".join(struct.pack(">hI", bin_, 1) for bin_ in bins)


def test_an_empty_sketch_has_no_percentiles():
    assert percentiles(b"", None) is None
    assert compacted(b"") == b""


@pytest.mark.parametrize("value", [0.0, 0.0005, 0.001, 0.25, 7.0, 1e9])
def test_of_one_value_all_percentiles_are_that(value: float):
    found = percentiles(sketch([value]), value)
    assert found is not None
    for share in (found.p50, found.p90, found.p99):
        assert share == pytest.approx(value, rel=ACCURACY, abs=LEAST_MS)
    assert found.max == value


@given(VALUES)
def test_percentiles_are_within_one_percent_and_in_order(values: list[float]):
    found = percentiles(sketch(values), max(values))
    assert found is not None
    ordered = sorted(values)
    for share, value in ((0.5, found.p50), (0.9, found.p90), (0.99, found.p99)):
        exact = ordered[int(share * (len(ordered) - 1))]
        assert abs(value - exact) <= exact * ACCURACY * (1 + 1e-9) + LEAST_MS
    assert found.p50 <= found.p90 <= found.p99 <= found.max


@given(VALUES, VALUES, st.randoms(use_true_random=False))
def test_joined_sketches_say_what_one_of_all_values_would(one, other, random):
    mixed = one + other
    random.shuffle(mixed)
    joined = compacted(sketch(one)) + compacted(sketch(other))
    assert compacted(joined) == compacted(sketch(mixed))
    assert percentiles(joined, max(mixed)) == percentiles(sketch(mixed), max(mixed))


@given(VALUES)
def test_a_compact_sketch_tells_of_each_bin_once_and_stays_as_it_is(values: list[float]):
    compact = compacted(sketch(values))
    bins = [bin_ for bin_, _ in struct.iter_unpack(">hI", compact)]
    assert bins == sorted(set(bins))
    assert sum(count for _, count in struct.iter_unpack(">hI", compact)) == len(values)
    assert compacted(compact) == compact
