"""What a dispatcher holds is handed over in turns."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from commands.firing.claims.claim_runs import ClaimedRun
from tests.commands.firing import NOON, SECOND
from workers.dispatcher.claimed_buffer import ClaimedBuffer


def claimed(service: int, number: int, due: float = 0) -> ClaimedRun:
    return ClaimedRun(NOON + due * SECOND, UUID(int=service), UUID(int=service * 100_000 + number))


def holding(*runs: ClaimedRun) -> ClaimedBuffer:
    held = ClaimedBuffer()
    held.add(runs)
    return held


def flood(service: int, size: int) -> list[ClaimedRun]:
    return [claimed(service, number) for number in range(size)]


def services_of(runs: list[ClaimedRun]) -> list[int]:
    return [run.service_id.int for run in runs]


def test_a_flood_delays_another_by_one_run_only():
    held = holding(*flood(1, 1_000), claimed(2, 0))
    assert services_of(held.pop(NOON, 3)) == [1, 2, 1]


def test_who_was_cut_off_by_the_limit_is_first_the_next_time():
    held = holding(*(claimed(service, n) for service in (1, 2, 3) for n in range(4)))
    assert services_of(held.pop(NOON, 2)) == [1, 2]
    assert services_of(held.pop(NOON, 2)) == [3, 1]


def test_a_round_that_was_cut_off_goes_on_where_it_was():
    held = holding(*(claimed(service, n) for service in (3, 1, 2) for n in range(4)))
    assert services_of(held.pop(NOON, 4)) == [3, 1, 2, 3]
    assert services_of(held.pop(NOON, 4)) == [1, 2, 3, 1]
    assert services_of(held.pop(NOON, 4)) == [2, 3, 1, 2]


def test_what_is_not_due_stays():
    held = holding(claimed(1, 0, due=2), claimed(1, 1, due=1))
    assert held.next_due() == NOON + SECOND
    assert held.pop(NOON, 10) == []
    assert [run.id.int % 10 for run in held.pop(NOON + 2 * SECOND, 10)] == [1, 0]
    assert (len(held), held.next_due()) == (0, None)


def test_few_are_those_of_which_few_are_due():
    later = [claimed(3, n, due=9) for n in range(50)]
    held = holding(*flood(1, 3), *flood(2, 2), *later, claimed(3, 99))
    assert sorted(services_of(held.pop_few(NOON, 2))) == [2, 2, 3]
    assert len(held) == 53
    assert services_of(held.pop(NOON, 10)) == [1, 1, 1]


def test_a_run_that_is_held_is_held_once():
    held = holding(claimed(1, 0))
    held.add([claimed(1, 0)])
    assert UUID(int=100_000) in held
    assert len(held.pop(NOON, 10)) == 1
    assert UUID(int=100_000) not in held


RUNS = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30), st.integers(-3, 3)), unique=True)


@given(RUNS, st.integers(1, 10))
def test_nothing_is_lost_and_services_are_served_alike(made, limit):
    runs = {run.id: run for run in (claimed(*one) for one in made)}
    held = holding(*runs.values())
    due = Counter(run.service_id for run in runs.values() if run.due_at <= NOON)
    served: Counter[UUID] = Counter()
    while batch := held.pop(NOON, limit):
        assert len(batch) <= limit
        served.update(run.service_id for run in batch)
        waiting = [service for service in due if served[service] < due[service]]
        assert all(served[one] - served[other] <= 1 for one in due for other in waiting)
    assert served == due
    assert sum(held.by_service.values()) == len(held) == len(runs) - sum(due.values())
