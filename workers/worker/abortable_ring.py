"""Rings targets so that an attempt can be cut off when its run is aborted."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import cast
from uuid import UUID

import structlog

from commands.firing.take_runs import TakenRun
from domain.runs.run import Outcome
from workers.targets.answer import Answer, Ring

log = structlog.get_logger()
_CUT_OFF = Answer(outcome=Outcome.ABANDONED, error="The run was asked to end.")


class AbortableRing:
    """Every way in which a ring can end is an answer, except that its task is cancelled."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._ringing: dict[UUID, asyncio.Task[None]] = {}
        self._aborted: set[UUID] = set()

    async def answer(self, run: TakenRun, started_at: datetime) -> Answer:
        """Ring the target of a run, within the task of its attempt."""
        if run.id in self._aborted:
            return _CUT_OFF
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._ringing[run.id] = task  # only here may an attempt be cut off
        try:
            return await self._ring(run, started_at)
        except asyncio.CancelledError:
            if run.id not in self._aborted:
                raise
            task.uncancel()
            return _CUT_OFF
        except Exception:
            log.exception("ring.failed", run_id=str(run.id), number=run.number)
            return Answer(
                outcome=Outcome.FAILED, error="The request could not be made; this is logged."
            )
        finally:
            del self._ringing[run.id]

    def abort(self, run_id: UUID) -> None:
        """Cut off the attempt of a run, at once or as soon as it rings."""
        if run_id not in self._aborted:
            self._aborted.add(run_id)
            if (task := self._ringing.get(run_id)) is not None:
                task.cancel()

    def forget(self, run_id: UUID) -> None:
        """Forget that a run was aborted: its attempt has ended."""
        self._aborted.discard(run_id)
