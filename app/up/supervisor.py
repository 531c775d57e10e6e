"""A small process supervisor: it starts children, keeps them running and stops them in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from app.up.child import Backoff, Child, RunningChild, kill_group
from app.up.prefixed_output import PrefixedOutput

CRASHES_WHILE_STARTING = 3


class ChildFailedError(Exception):
    """A child does not do its work; says which, and what it printed last."""


class Supervisor:
    """Keeps children running.

    Until `settle()` is called, a child that crashes three times in a row ends the wait of
    `failure()`: that is no accident but a mistake. Afterwards it is started again and again,
    with growing delays.
    """

    def __init__(self, output: PrefixedOutput, *, backoff: Backoff) -> None:
        self._output = output
        self._backoff = backoff
        self._running: dict[str, RunningChild] = {}
        self._settled = False
        self._failure: asyncio.Future[ChildFailedError] = asyncio.Future()

    def start(self, child: Child) -> None:
        """Start a child and keep it running; its `name` is its identity here."""
        self._running[child.name] = RunningChild(
            child, self._output, self._backoff, self._note_crash
        )

    def replace(self, name: str) -> None:
        """Stop a child's process and start another at once."""
        self._running[name].replace()

    @property
    def pids(self) -> Mapping[str, int | None]:
        """The process of every child now; None for one that is between two."""
        return {name: running.pid for name, running in self._running.items()}

    @property
    def is_steady(self) -> bool:
        """Whether all children run, and none of them has just crashed."""
        return all(running.is_steady for running in self._running.values())

    def settle(self) -> None:
        """From now on, start crashed children again without end."""
        self._settled = True

    async def failure(self) -> ChildFailedError:
        """Wait until a child cannot be started."""
        return await asyncio.shield(self._failure)

    async def stop(self) -> None:
        """Stop all children, each within its grace period: servers last, else the newest first."""
        newest_first = reversed(self._running.values())
        for running in sorted(newest_first, key=lambda one: one.child.serves):
            await running.stop()

    def kill(self) -> None:
        """SIGKILL all children that still run, for someone who cannot wait for `stop()`."""
        for running in self._running.values():
            running.kill()

    def _note_crash(self, running: RunningChild, ending: str) -> None:
        if self._settled or self._failure.done() or running.crashes < CRASHES_WHILE_STARTING:
            return
        self._failure.set_result(_failed(running.child.name, ending, "\n".join(running.last_lines)))


async def run_to_end(child: Child, *, timeout: float) -> str:  # noqa: ASYNC109 (a plain bound)
    """Run a program once and return what it printed on stdout.

    Raises:
        ChildFailedError: When it fails, or is not done after `timeout` seconds.
    """
    process = await asyncio.create_subprocess_exec(
        *child.argv,
        env=child.env,
        cwd=child.cwd,
        pass_fds=child.pass_fds,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout):
            out, problems = await process.communicate()
    except TimeoutError:
        raise ChildFailedError(f"{child.name} was not done within {timeout:g} s.") from None
    finally:
        if process.returncode is None:
            kill_group(process.pid)
            await process.communicate()
    if process.returncode != 0:
        said = (out + problems).decode(errors="replace").strip()
        raise _failed(child.name, f"exited with code {process.returncode}", said)
    return out.decode()


def _failed(name: str, ending: str, said: str) -> ChildFailedError:
    return ChildFailedError(f"{name} {ending}. It said last:\n{said or '(nothing)'}")
