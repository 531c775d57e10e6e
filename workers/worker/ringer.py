"""The path of a run through a worker process, from a message to its record.

Intake takes the run and puts it into the FairQueue. When it is due, the AttemptRunner begins an
attempt, rings the target, and gives the end to the Recorder. Where another run of the job keeps it
from beginning, the OverlapResolver decides; where its target cannot be rung, UnreadyRuns defers it.
"""

from __future__ import annotations

from uuid import UUID

from storage.queue.broker import RunKey
from storage.shards import Shard
from workers.process_health import ProcessHealth
from workers.targets.answer import Ring
from workers.targets.traced_rings import TracedRings
from workers.worker.attempts import AttemptRunner
from workers.worker.config import DEFAULTS, WorkerConfig
from workers.worker.intake import Intake
from workers.worker.overlap import OverlapResolver
from workers.worker.owned_runs import OwnedRuns
from workers.worker.recorder import Recorder
from workers.worker.unready import UnreadyRuns


class Ringer:
    """Builds the steps, and stops them in order.

    Args:
        ring: Makes one attempt at a run's target.
        traces: Gives each attempt a span, if runs are traced.
    """

    def __init__(
        self,
        shard: Shard,
        worker_id: UUID,
        ring: Ring,
        recorder: Recorder,
        *,
        config: WorkerConfig = DEFAULTS,
        health: ProcessHealth | None = None,
        overlap: OverlapResolver | None = None,
        traces: TracedRings | None = None,
    ) -> None:
        database = shard.database
        self.owned = OwnedRuns(config)
        self.intake = Intake(database, worker_id, self.owned, config=config, traces=traces)
        self.attempts = AttemptRunner(
            database,
            worker_id,
            self.owned,
            traces.ring if traces is not None else ring,
            unready=UnreadyRuns(database, worker_id, config),
            overlap=overlap or OverlapResolver(shard, worker_id, config),
            recorder=recorder,
            config=config,
            health=health or ProcessHealth(),
        )

    async def run(self) -> None:
        """Ring due runs until cancelled."""
        await self.attempts.run()

    async def stop(self) -> list[RunKey]:
        """Give back queued runs, and wait until the attempts under way are recorded.

        Returns:
            The runs that were given back, to dispatch to another worker.
        """
        self.owned.is_stopping = True
        self.owned.backpressure.close()
        await self.owned.settle()
        given_back = await self.intake.give_back()
        await self.attempts.drain()
        return given_back
