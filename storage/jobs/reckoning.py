"""Reckoning with costly schedules, outside the event loop and a bounded number at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from domain.errors import Busy
from domain.policies.catchup_plan import COUNTED
from domain.schedules.fire_times import PATIENCE
from domain.schedules.kinds import kind_of
from domain.schedules.schedule import Schedule

SECONDS = 5
"""So long a request waits for its turn and its answer."""
THREADS = 2
CHEAP_STEPS = 500
"""What costs less is reckoned with at once: it takes a few milliseconds at most."""

Answer = TypeVar("Answer")


class Reckoning:
    """Threads for schedules that requests compute; a service has one at a time, for the others."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="reckoning")
        self._at_work = asyncio.Semaphore(THREADS)
        self._services: dict[UUID, asyncio.Lock] = {}
        self._asking: Counter[UUID] = Counter()

    async def run(
        self, service_id: UUID, schedule: Schedule, question: Callable[[], Answer], *, times: int
    ) -> Answer:
        """The answer to a question about a schedule.

        Args:
            times: About how many fire times it looks at.

        Raises:
            Busy: When it does not come in time.
        """
        if is_cheap(schedule, times):
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


async def elsewhere(schedule: Schedule, question: Callable[[], Answer], *, times: int) -> Answer:
    """The answer of a command that holds locks; its service's share bounds how many ask.

    Args:
        times: About how many fire times it looks at.
    """
    if is_cheap(schedule, times):
        return question()
    return await asyncio.to_thread(question)


def is_cheap(schedule: Schedule, times: int) -> bool:
    """Whether looking at so many fire times of a schedule holds nobody up."""
    specs = (*schedule.parts, *schedule.exclude)
    if any(kind is not None and kind.is_costly for kind in map(kind_of, specs)):
        return False
    # After each fire time, a search may have to pass over many excluded ones.
    looked_at = max(times, PATIENCE) if schedule.exclude else times
    return len(specs) * looked_at <= CHEAP_STEPS


def times_between(after: datetime, until: datetime) -> int:
    """How many fire times an account may look at, of what comes each second at most."""
    return min(max(int((until - after).total_seconds()), 0) + 1, COUNTED)
