"""The Dramatiq actors that take dispatched runs: thin shells over the intake."""

from __future__ import annotations

from uuid import UUID

import dramatiq

from storage.queue.broker import RING_ACTOR, RING_AHEAD_ACTOR, RUNS_QUEUE, URGENT_QUEUE, RunQueue
from workers.worker.intake import Intake

URGENT = -1
"""Of the messages that a process has fetched, those with the lowest priority go first."""


class Resources:
    """What the actors of this process work with; the lifecycle middleware sets it."""

    intake: Intake
    queue: RunQueue


resources = Resources()


async def ring_runs(runs: list[list[str]]) -> None:
    """Take dispatched runs, each named by its service's id and its own."""
    left = await resources.intake.take(_keys(runs))
    await resources.queue.dispatch(left)


async def ring_runs_ahead(runs: list[list[str]]) -> None:
    """Take urgent runs, however many runs wait already."""
    left = await resources.intake.take(_keys(runs), ahead=True)
    await resources.queue.dispatch(left, ahead=True)


def declare_ringing(broker: dramatiq.Broker) -> None:
    """Register the actors.

    Processes of an older version send urgent runs by the housekeeping queue; they are taken from
    there, too, since Dramatiq finds an actor by its name alone.
    """
    actor = dramatiq.actor(actor_name=RING_ACTOR, queue_name=RUNS_QUEUE, broker=broker)
    actor(ring_runs)
    urgent_actor = dramatiq.actor(
        actor_name=RING_AHEAD_ACTOR, queue_name=URGENT_QUEUE, broker=broker, priority=URGENT
    )
    urgent_actor(ring_runs_ahead)


def _keys(runs: list[list[str]]) -> list[tuple[UUID, UUID]]:
    return [(UUID(service_id), UUID(run_id)) for service_id, run_id in runs]
