"""One unit of work: what a command writes, and what follows once that is committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial, update_wrapper
from typing import Any, Generic, TypeVar
from uuid import UUID

from msgspec import Struct

from domain.access.caller import Caller
from domain.access.idempotency import Answer, Claim
from domain.errors import AnswersKept, Conflict, Invalid, NotFound, PreconditionFailed
from storage.cache.job_cache_entry import cache_entry_of
from storage.cache.shared_cache import CacheChanges, NewCacheEntry
from storage.jobs.inserts import NewJob, insert_job
from storage.postgres.pools import Driver
from storage.queue.broker import RunKey
from storage.queue.dispatch import dispatch_soon
from storage.services.audit import record
from storage.services.idempotency import claim_key, keep_answer, look_up
from storage.shards import Shard, Shards
from storage.tracing.stored_traces import note_trace

REFUSALS = (NotFound, Conflict, Invalid, PreconditionFailed)
"""What a command refuses is kept under an idempotency key like what it does."""


class Command(Struct, frozen=True, kw_only=True):
    """What somebody asks for."""

    caller: Caller
    now: datetime

    @property
    def service_id(self) -> UUID:
        """The service whose objects are changed."""
        return self.caller.service_id


Message = TypeVar("Message", bound=Command)
Result = TypeVar("Result")
Handle = Callable[[Message, "UnitOfWork"], Awaitable[Result]]
Step = Callable[[], Awaitable[object]]


class UnitOfWork:
    """A command's transaction, and what is done after its commit.

    The command says what; its Executor does it, and nothing of it if the command fails.

    Attributes:
        shard: Where the command's service lives.
    """

    def __init__(
        self, shard: Shard, command: Command, claim: Claim | None, stack: AsyncExitStack
    ) -> None:
        self.shard = shard
        self._command = command
        self._claim = claim
        self._stack = stack
        self._driver: Driver | None = None
        self._cached = CacheChanges()
        self._steps: list[Step] = []

    async def begin(self, *, each_commits: bool = False) -> Driver:
        """The transaction, begun when it is first asked for.

        Args:
            each_commits: For a command that writes with one statement: that commits by itself,
                which saves two round trips, unless the transaction is to hold a key.

        Raises:
            Answered, KeyInProgress, KeyReused: When the request's key cannot be claimed.
            ShareUsedUp: When the service has written all that it may at once.
        """
        if self._driver is None:
            service_id = self._command.service_id
            writing = self.shard.writing(
                service_id, self._cached, each_commits=each_commits and self._claim is None
            )
            driver = await self._stack.enter_async_context(writing)
            if self._claim is not None:
                await claim_key(driver, service_id, self._claim)
            self._driver = driver
        return self._driver

    async def store_job(self, new: NewJob) -> bool:
        """Store a job; return whether it was, or else the service has as many as it may.

        Where nothing else goes with it, no transaction begun and no key, it is stored in one
        statement with those that others make at the same time, and these are cached together, too.
        """
        if self._driver is None and self._claim is None:
            return await self.shard.job_inserts.store(new)
        self.changes_only(cache_entry_of(new.job, self._command.now))
        return await insert_job(await self.begin(), new)

    async def audit(self, action: str, object_id: UUID, **details: Any) -> None:
        """Write what was done to which object; see storage.services.audit.record."""
        command = self._command
        await record(await self.begin(), command.caller, action, object_id, command.now, **details)

    def changes_only(self, *entries: NewCacheEntry) -> None:
        """Of all that is cached of the service only these are changed, or none.

        Unless it is called, all that is cached of the service becomes void.
        """
        self._cached.invalidates = False
        self._cached.entries += entries

    def note_trace(self, object_id: UUID) -> None:
        """Keep the request's trace, if it is traced, as that in which an object was made."""
        command = self._command
        self.afterwards(partial(note_trace, self.shard, command.service_id, object_id, command.now))

    def wake_dispatchers(self, due_at: datetime | None) -> None:
        """Tell dispatchers of an instant that they may have looked past already."""
        self.afterwards(partial(self.shard.wake_for, due_at, self._command.now))

    def dispatch(self, runs: Sequence[RunKey]) -> None:
        """Send runs to the workers at once, where a sweep would find them a moment later."""
        if runs:
            self.afterwards(partial(dispatch_soon, self.shard, runs))

    def afterwards(self, step: Step) -> None:
        """Do this after the commit, behind what was said before."""
        self._steps.append(step)

    async def keep(self, answer: Answer) -> None:
        """Keep the answer under the request's key, if it has one: both commit, or neither does."""
        if self._claim is not None:
            driver = await self.begin()
            await keep_answer(driver, self._command.service_id, self._claim, answer)

    async def follow_up(self) -> None:
        """Do what was to be done after the commit."""
        for step in self._steps:
            await step()


class Executor(Generic[Message, Result]):
    """A command as it is called: what handles it gets its unit of work from here alone.

    Args:
        handle: What the command does, within one unit of work.
    """

    def __init__(self, handle: Handle[Message, Result]) -> None:
        self._handle = handle
        update_wrapper(self, handle)

    async def __call__(self, command: Message, shards: Shards) -> Result:
        """Execute a command: its transaction, then what follows the commit.

        Raises:
            TocsinError: What the command refuses; nothing of it is done then.
        """
        return await self.on(command, shards.of(command.service_id))

    async def on(self, command: Message, shard: Shard) -> Result:
        """The same, told where the command's service lives."""
        async with AsyncExitStack() as stack:
            uow = UnitOfWork(shard, command, None, stack)
            result = await self._handle(command, uow)
        await uow.follow_up()
        return result

    async def once(self, command: Message, shards: Shards, claim: Claim) -> Answer:
        """The same for a request with an idempotency key: of several with one key, one is executed.

        Its answer is kept in its transaction; so is what it refuses, in one of its own. What fails
        on our side is not.

        Raises:
            Answered: With what was answered when the request was done before.
            KeyInProgress: When a request with the key is being done.
            KeyReused: When the key stands for another request.
            AnswersKept: When the service has as many answers kept as it may, and this is new.
        """
        shard = shards.of(command.service_id)
        await _find_room(shard, command.service_id, claim)
        try:
            async with AsyncExitStack() as stack:
                uow = UnitOfWork(shard, command, claim, stack)
                answer = claim.answer_of(await self._handle(command, uow))
                await uow.keep(answer)
        except REFUSALS as refusal:
            # Its transaction is gone, and the claim with it: somebody else may hold the key by now.
            answer = claim.refusal_of(refusal)
            async with AsyncExitStack() as stack:
                uow = UnitOfWork(shard, command, claim, stack)
                uow.changes_only()
                await uow.keep(answer)
        await uow.follow_up()
        return answer


def unit_of_work(handle: Handle[Message, Result]) -> Executor[Message, Result]:
    """Decorate what handles a command: it is called with `shards` and gets its unit of work."""
    return Executor(handle)


async def _find_room(shard: Shard, service_id: UUID, claim: Claim) -> None:
    """Refuse a request whose answer cannot be kept (it could be done twice), if it is new."""
    seconds = await shard.kept_answers.full_for(service_id, claim.size)
    if seconds:
        async with shard.writes.of(service_id), shard.database.reading() as driver:
            await look_up(driver, service_id, claim)
        raise AnswersKept(seconds)
