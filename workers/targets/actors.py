"""The actors that jobs may name as targets; TOCSIN_ACTORS says which of them are allowed.

Add yours here: a function with the payload as its one argument.
"""

from __future__ import annotations

import dramatiq
import structlog

from storage.queue.broker import HOUSEKEEPING_QUEUE

tocsin_log = structlog.get_logger()


def log(payload: object) -> None:
    """Write the payload to the worker's log."""
    tocsin_log.info("actor.logged", payload=payload)


def noop(payload: object) -> None:
    """Do nothing."""


ACTORS = (log, noop)


def declare_actors(broker: dramatiq.Broker) -> None:
    """Register the actors."""
    for function in ACTORS:
        declare = dramatiq.actor(queue_name=HOUSEKEEPING_QUEUE, broker=broker)
        declare(function)
