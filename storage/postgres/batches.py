"""One question for many askers: while one batch is asked about, the next one gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain, islice
from typing import Generic, TypeVar

Key = TypeVar("Key")
Answer = TypeVar("Answer")


class Batches(Generic[Key, Answer]):
    """Gathers keys and asks about them together.

    A question is always asked after its asker came, so an answer is never older than the asker.

    Args:
        ask: Answers for all keys at once; what it raises reaches everyone who asked.
        most: Keys of a question; the others wait for the next one.
    """

    def __init__(
        self,
        ask: Callable[[list[Key]], Awaitable[Mapping[Key, Answer]]],
        *,
        most: int | None = None,
    ) -> None:
        self._ask = ask
        self._most = most
        self._asked: dict[Key, list[asyncio.Future[Answer]]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, key: Key) -> Answer:
        """The answer for one key."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(key, []).append(future)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_on())
        return await future

    async def _ask_on(self) -> None:
        while self._asked:
            asked = self._next()
            try:
                answers = await self._ask(list(asked))
            except Exception as error:  # noqa: BLE001 (handed on to those who asked)
                for future in chain.from_iterable(asked.values()):
                    if not future.done():
                        future.set_exception(error)
                continue
            for key, futures in asked.items():
                for future in futures:
                    if not future.done():
                        future.set_result(answers[key])
        self._asking = None

    def _next(self) -> dict[Key, list[asyncio.Future[Answer]]]:
        """What is to be asked about now."""
        keys = list(islice(self._asked, self._most))
        return {key: self._asked.pop(key) for key in keys}
