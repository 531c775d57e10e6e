"""Services take turns."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.turns import fair_shares, take_turns

SERVICES = [UUID(int=n) for n in range(5)]
ITEMS = st.lists(st.sampled_from(SERVICES)).map(lambda services: list(enumerate(services)))
Item = tuple[int, UUID]


def service_of(item: Item) -> UUID:
    return item[1]


@given(ITEMS)
def test_nothing_is_lost_or_doubled(items: list[Item]):
    assert sorted(take_turns(items, service_of)) == items


@given(ITEMS)
def test_order_within_a_service_is_kept(items: list[Item]):
    turns = take_turns(items, service_of)
    for service in SERVICES:
        mine = [item for item in turns if service_of(item) == service]
        assert mine == sorted(mine)


@given(ITEMS)
def test_nobody_gets_a_turn_more_than_another_who_still_waits(items: list[Item]):
    waiting = Counter(map(service_of, items))
    served: Counter[UUID] = Counter()
    for item in take_turns(items, service_of):
        served[service_of(item)] += 1
        still_waiting = [service for service in waiting if served[service] < waiting[service]]
        for service in still_waiting:
            assert served[service_of(item)] - served[service] <= 1


def test_a_flood_of_one_service_delays_another_by_one_item_only():
    flood, other = SERVICES[:2]
    items = [*((n, flood) for n in range(1_000)), (1_000, other)]
    assert take_turns(items, service_of).index((1_000, other)) == 1


def test_items_that_are_false_are_items_too():
    assert take_turns([None, 0, ""], lambda _: SERVICES[0]) == [None, 0, ""]


WANTED = st.dictionaries(st.sampled_from(SERVICES), st.integers(0, 50))


@given(WANTED, st.integers(0, 100))
def test_shares_are_as_much_as_there_is_and_nobody_gets_more_than_it_wants(wanted, most):
    shares = fair_shares(wanted, most)
    assert shares.keys() == wanted.keys()
    assert all(0 <= share <= wanted[service] for service, share in shares.items())
    assert sum(shares.values()) == min(most, sum(wanted.values()))


@given(WANTED, st.integers(0, 100))
def test_who_is_not_given_all_is_given_as_much_as_any_other(wanted, most):
    shares = fair_shares(wanted, most)
    for service, share in shares.items():
        if share < wanted[service]:
            assert all(other <= share + 1 for other in shares.values())


def test_where_there_is_less_than_one_for_each_a_flood_comes_last():
    flood, *others = SERVICES
    assert fair_shares({flood: 1_000, **dict.fromkeys(others, 1)}, 4)[flood] == 0
