"""Cursors: taken as they were made, by the list that they are of, and by no other."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.requests.cursors import Cursors, FilteredCursors, by_fire_time, by_id, by_moment, by_name
from app.responses.problems import BadParameter
from domain.filters.job_filter import JobFilter, JobOrder, JobSort, Order
from domain.filters.keyset import AssociatedData
from domain.filters.run_filter import RunFilter
from domain.jobs.job import JobState
from domain.runs.run import RunState, Trigger

Kind = Callable[[str], Cursors[Any]]
INSTANTS = st.datetimes(timezones=st.just(UTC))
KEYS: st.SearchStrategy[tuple[Kind, Any]] = st.one_of(
    st.tuples(st.just(by_id), st.uuids()),
    st.tuples(st.just(by_fire_time), INSTANTS),
    st.tuples(st.just(by_moment), st.tuples(INSTANTS, st.uuids())),
    st.tuples(st.just(by_name), st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)),
)
KINDS: list[Kind] = [by_id, by_fire_time, by_moment, by_name]
ID, INSTANT = UUID("0192f3a1-0000-7000-8000-000000000001"), datetime(2026, 11, 24, 3, tzinfo=UTC)
# As an earlier version wrote them: clients hold some while a new one is rolled out.
WRITTEN: list[tuple[Cursors[Any], Any, str]] = [
    (by_id("services"), ID, "kqhzZXJ2aWNlc8QQAZLzoQAAcACAAAAAAAAAAQ=="),
    (by_fire_time("jobs/x/ledger"), INSTANT, "kq1qb2JzL3gvbGVkZ2Vy1v9rBP2w"),
    (by_name("secrets"), "a.b", "kqdzZWNyZXRzo2EuYg=="),
    (by_moment("audit"), (INSTANT, ID), "kqVhdWRpdJLW_2sE_bDEEAGS86EAAHAAgAAAAAAAAAE="),
]
OF_SERVICE = AssociatedData(at=INSTANT, id=ID)
WRITTEN_OF_FILTERS: list[tuple[tuple[object, ...], AssociatedData, str]] = [
    (
        ("jobs", JobFilter(), JobOrder()),
        OF_SERVICE,
        "k8QIooLyUJKGk_DPAAZg_Of2zADEEAGS86EAAHAAgAAAAAAAAAE",
    ),
    (
        (
            "jobs",
            JobFilter(states=(JobState.ACTIVE,), tags=("a",)),
            JobOrder(sort=JobSort.UPDATED),
        ),
        OF_SERVICE,
        "k8QIThzFYYFN-yXPAAZg_Of2zADEEAGS86EAAHAAgAAAAAAAAAE",
    ),
    (
        ("runs", "service", RunFilter(states=(RunState.FAILED,), since=INSTANT), Order.DESC),
        OF_SERVICE,
        "k8QIMfPZ9lUZf5PPAAZg_Of2zADEEAGS86EAAHAAgAAAAAAAAAE",
    ),
    (
        (
            "runs",
            "service",
            RunFilter(tags=("a",), status_codes=(503,), backfill_id=ID, trigger=Trigger.BACKFILL),
            Order.ASC,
        ),
        OF_SERVICE,
        "k8QIPsa5mFn98hrPAAZg_Of2zADEEAGS86EAAHAAgAAAAAAAAAE",
    ),
    (
        ("runs", "job", RunFilter(job_id=ID), Order.DESC),
        AssociatedData(at=INSTANT, id=7),
        "k8QI3epi9_mEJ5XPAAZg_Of2zAAH",
    ),
]


@pytest.mark.parametrize(("cursors", "key", "written"), WRITTEN)
def test_what_an_earlier_version_wrote_is_read(
    cursors: Cursors[Any], key: object, written: str
) -> None:
    assert cursors.behind(key) == written
    assert cursors.after(written) == key


@pytest.mark.parametrize(("identity", "place", "written"), WRITTEN_OF_FILTERS)
def test_what_an_earlier_version_wrote_of_a_filter_is_read(
    identity: tuple[object, ...], place: AssociatedData, written: str
) -> None:
    cursors = FilteredCursors(*identity, row_id=type(place.id))
    assert cursors.behind(place) == written
    assert cursors.after(written) == place


@given(KEYS)
def test_a_cursor_names_what_it_was_made_of(kind_and_key: tuple[Kind, Any]) -> None:
    kind, key = kind_and_key
    cursor = kind("jobs").behind(key)
    assert kind("jobs").after(cursor) == key
    assert len(cursor) <= 200


@given(KEYS, st.sampled_from(["job", "jobs/", "runs", "", "Jobs"]))
def test_another_list_refuses_it(kind_and_key: tuple[Kind, Any], other: str) -> None:
    kind, key = kind_and_key
    with pytest.raises(BadParameter):
        kind(other).after(kind("jobs").behind(key))


@given(KEYS, st.sampled_from(range(1, len(KINDS))))
def test_a_list_with_another_key_refuses_it(kind_and_key: tuple[Kind, Any], apart: int) -> None:
    own, key = kind_and_key
    other = KINDS[(KINDS.index(own) + apart) % len(KINDS)]
    with pytest.raises(BadParameter):
        other("jobs").after(own("jobs").behind(key))


@given(KEYS, st.data())
def test_a_cursor_that_was_changed_is_refused_or_names_another_row(
    kind_and_key: tuple[Kind, Any], data: st.DataObject
) -> None:
    kind, key = kind_and_key
    letters = bytearray(urlsafe_b64decode(kind("jobs").behind(key)))
    at = data.draw(st.integers(0, len(letters) - 1))
    letters[at] ^= data.draw(st.integers(1, 255))
    try:
        found = kind("jobs").after(urlsafe_b64encode(letters).decode())
    except BadParameter:
        return
    assert found != key


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value",
    [None, "jobs", [], ["jobs"], ["jobs", 1, 2], ["jobs", "a\0b"], ["jobs", "a\n"], {"jobs": 1}],
)
def test_what_is_no_pair_of_list_and_key_is_refused(kind: Kind, value: object) -> None:
    with pytest.raises(BadParameter):
        kind("jobs").after(urlsafe_b64encode(msgspec.msgpack.encode(value)).decode())
