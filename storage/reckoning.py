"""Reckoning with costly schedules, outside the event loop and a bounded number at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

from domain.errors import Busy
from domain.schedules.schedule import Schedule

SECONDS = 5
"""So long a request waits for its turn and its answer."""
THREADS = 2
PLAIN = 10
"""With fewer specs and exclusions a schedule is reckoned with at once: it takes microseconds."""

Answer = TypeVar("Answer")


class Reckoning:
    """Threads for what requests reckon; a service has one at a time, and others wait less."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="reckoning")
        self._at_work = asyncio.Semaphore(THREADS)
        self._services: dict[UUID, asyncio.Lock] = {}
        self._asking: Counter[UUID] = Counter()

    async def run(
        self, service_id: UUID, schedule: Schedule, question: Callable[[], Answer]
    ) -> Answer:
        """The answer to a question about a schedule.

        Raises:
            Busy: When it does not come in time.
        """
        if len(schedule.parts) + len(schedule.exclude) < PLAIN:
            return question()
        lock = self._services.setdefault(service_id, asyncio.Lock())
        self._asking[service_id] += 1
        try:
            async with asyncio.timeout(SECONDS), lock, self._at_work:
                return await asyncio.shield(self._thread(question))
        except TimeoutError:
            raise Busy(
                "What this service's schedules exclude takes too long to reckon at the moment; "
                "try again, and exclude less."
            ) from None
        finally:
            self._asking[service_id] -= 1
            if not self._asking[service_id]:
                del self._asking[service_id], self._services[service_id]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _thread(self, question: Callable[[], Answer]) -> asyncio.Future[Answer]:
        return asyncio.get_running_loop().run_in_executor(self._threads, question)


async def elsewhere(schedule: Schedule, question: Callable[[], Answer]) -> Answer:
    """The answer of a command that holds locks; its service's share bounds how many ask."""
    if len(schedule.parts) + len(schedule.exclude) < PLAIN:
        return question()
    return await asyncio.to_thread(question)
