"""Askers share a question, but never get an answer to one that was asked before they came."""

from __future__ import annotations

import asyncio

import pytest

from storage.postgres.batches import Batches


class Clerk:
    """Answers with the number of the question, once it is told to."""

    def __init__(self) -> None:
        self.questions: list[list[str]] = []
        self.may_answer = asyncio.Event()

    async def ask(self, keys: list[str]) -> dict[str, int]:
        self.questions.append(keys)
        number = len(self.questions)
        await self.may_answer.wait()
        if "trouble" in keys:
            raise ConnectionError("away")
        return dict.fromkeys(keys, number)


async def asked_first(clerk: Clerk, batches: Batches[str, int]) -> asyncio.Task[int]:
    """An asker whose question is under way."""
    first = asyncio.create_task(batches.answer("a"))
    while not clerk.questions:  # noqa: ASYNC110
        await asyncio.sleep(0)
    return first


async def test_who_comes_while_a_question_is_under_way_shares_the_next_one() -> None:
    clerk = Clerk()
    batches = Batches(clerk.ask)
    first = await asked_first(clerk, batches)
    others = [asyncio.create_task(batches.answer(key)) for key in ("a", "b", "a")]
    await asyncio.sleep(0)
    clerk.may_answer.set()
    assert await first == 1
    assert await asyncio.gather(*others) == [2, 2, 2]
    assert clerk.questions == [["a"], ["a", "b"]]


async def test_trouble_reaches_those_who_asked_and_nobody_else() -> None:
    clerk = Clerk()
    batches = Batches(clerk.ask)
    first = await asked_first(clerk, batches)
    troubled = [asyncio.create_task(batches.answer(key)) for key in ("trouble", "b")]
    await asyncio.sleep(0)
    clerk.may_answer.set()
    assert await first == 1
    for one in troubled:
        with pytest.raises(ConnectionError):
            await one
    assert await batches.answer("c") == 3


async def test_an_asker_who_leaves_does_not_hold_up_the_others() -> None:
    clerk = Clerk()
    batches = Batches(clerk.ask)
    leaving = await asked_first(clerk, batches)
    leaving.cancel()
    staying = asyncio.create_task(batches.answer("b"))
    clerk.may_answer.set()
    async with asyncio.timeout(5):
        assert await staying == 2


async def test_a_question_has_its_bounds() -> None:
    clerk = Clerk()
    batches = Batches(clerk.ask, most=2)
    first = await asked_first(clerk, batches)
    others = [asyncio.create_task(batches.answer(key)) for key in "bcbde"]
    await asyncio.sleep(0)
    clerk.may_answer.set()
    assert await asyncio.gather(first, *others) == [1, 2, 2, 2, 3, 3]
    assert clerk.questions == [["a"], ["b", "c"], ["d", "e"]]
