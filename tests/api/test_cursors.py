"""Cursors: taken as they were made, by the list that they are of, and by no other."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cursors import cursor_of, fire_time_after, id_after, name_after, run_after
from app.problems import BadParameter

Reader = Callable[[str, str | None], Any]
INSTANTS = st.datetimes(timezones=st.just(UTC))
KEYS: st.SearchStrategy[tuple[Reader, Any]] = st.one_of(
    st.tuples(st.just(id_after), st.uuids()),
    st.tuples(st.just(fire_time_after), INSTANTS),
    st.tuples(st.just(run_after), st.tuples(INSTANTS, st.integers(0, (1 << 15) - 1))),
    st.tuples(st.just(name_after), st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)),
)
READERS: list[Reader] = [id_after, fire_time_after, run_after, name_after]


@given(KEYS)
def test_a_cursor_names_what_it_was_made_of(read_and_key: tuple[Reader, Any]) -> None:
    read, key = read_and_key
    cursor = cursor_of("jobs", key)
    assert read("jobs", cursor) == key
    assert len(cursor) <= 200


@given(KEYS, st.sampled_from(["job", "jobs/", "runs", "", "Jobs"]))
def test_another_list_refuses_it(read_and_key: tuple[Reader, Any], other: str) -> None:
    read, key = read_and_key
    with pytest.raises(BadParameter):
        read(other, cursor_of("jobs", key))


@given(KEYS, st.sampled_from(range(1, len(READERS))))
def test_a_list_with_another_key_refuses_it(read_and_key: tuple[Reader, Any], apart: int) -> None:
    own, key = read_and_key
    other = READERS[(READERS.index(own) + apart) % len(READERS)]
    with pytest.raises(BadParameter):
        other("jobs", cursor_of("jobs", key))


@given(KEYS, st.data())
def test_a_cursor_that_was_changed_is_refused_or_names_another_row(
    read_and_key: tuple[Reader, Any], data: st.DataObject
) -> None:
    read, key = read_and_key
    letters = bytearray(urlsafe_b64decode(cursor_of("jobs", key)))
    at = data.draw(st.integers(0, len(letters) - 1))
    letters[at] ^= data.draw(st.integers(1, 255))
    try:
        found = read("jobs", urlsafe_b64encode(letters).decode())
    except BadParameter:
        return
    assert found != key


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "value",
    [None, "jobs", [], ["jobs"], ["jobs", 1, 2], ["jobs", "a\0b"], ["jobs", "a\n"], {"jobs": 1}],
)
def test_what_is_no_pair_of_list_and_key_is_refused(read: Reader, value: object) -> None:
    with pytest.raises(BadParameter):
        read("jobs", urlsafe_b64encode(msgspec.msgpack.encode(value)).decode())


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("generation", [-1, 1 << 15, True, "0"])
def test_a_generation_that_a_run_cannot_have_is_refused(read: Reader, generation: object) -> None:
    place = ["jobs", [datetime(2026, 1, 1, tzinfo=UTC), generation]]
    with pytest.raises(BadParameter):
        read("jobs", urlsafe_b64encode(msgspec.msgpack.encode(place)).decode())
