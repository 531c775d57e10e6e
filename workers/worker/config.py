"""The tuning of a worker process."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct


class WorkerConfig(Struct, frozen=True, kw_only=True):
    """One process's tuning. The defaults are for production; tests pass their own values.

    Attributes:
        concurrency: Attempts under way, until they are recorded.
        queue_capacity: Runs in the fair queue; beyond it, takes wait, and so do messages.
        memory_bytes: Bytes of the targets of owned runs; beyond it, the same. While a run rings,
            its body exists up to four times: as read, decoded or with secrets, in the request, and
            in the socket. Four times this, and the process, must fit its pod
            (k8s/base/worker.yaml).
        start_batch: Attempts that one statement begins.
        head_start: How long before its due instant an attempt is begun in Postgres, so that the
            statement adds no lateness.
        gather: Runs due within so long of the first one are begun by the same statement.
        defer_batch: Runs that one statement defers.
        idle_seconds: The loop turns at least so often, so that the liveness probe sees progress.
        retry_seconds: Pause after Postgres did not answer.
        wrong_clock_seconds: Pause while the clock of the process is wrong.
        overlap_at_once: Overlap decisions at once: each takes a connection from runs on time.
        overlap_retry_seconds: Pause after an overlap decision failed unexpectedly.
        most_waiting_takes: Messages that may wait for room: one fewer than `threads`, which leaves
            a thread for urgent runs.
        push_back_seconds: Pause before a message that may not wait goes back to the queue.
        ask_again_seconds: How long the rest of a message waits for bytes before it is taken again.
        record_batch: Attempts that one statement records.
        record_gather_seconds: Attempts that end within so long are recorded by one statement.
        aggregate_seconds: Statistics are asked for at most once in so long.
        abort_poll_seconds: How often aborted runs are looked for without a notification.
        forgotten_poll_seconds: How often forgotten runs are looked for.
        threads: Threads of Dramatiq, which take messages.
        poll_ms: How long such a thread waits for a message before it looks whether to stop.
        drain_seconds: How long a worker that stops waits for the attempts under way.
    """

    concurrency: int = 512
    queue_capacity: int = 10_000
    memory_bytes: int = 64 * 1024 * 1024
    start_batch: int = 250
    head_start: timedelta = timedelta(milliseconds=5)
    gather: timedelta = timedelta(milliseconds=15)
    defer_batch: int = 1_000
    idle_seconds: float = 30.0
    retry_seconds: float = 0.1
    wrong_clock_seconds: float = 0.25
    overlap_at_once: int = 2
    overlap_retry_seconds: float = 1.0
    most_waiting_takes: int = 3
    push_back_seconds: float = 0.05
    ask_again_seconds: float = 1.0
    record_batch: int = 500
    record_gather_seconds: float = 0.01
    aggregate_seconds: float = 1.0
    abort_poll_seconds: float = 1.0
    forgotten_poll_seconds: float = 10.0
    threads: int = 4
    poll_ms: int = 250
    drain_seconds: float = 25.0


DEFAULTS = WorkerConfig()
