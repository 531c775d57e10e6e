"""Services share what there is not enough of."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.quotas.share import fair_shares

SERVICES = [UUID(int=n) for n in range(5)]
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
