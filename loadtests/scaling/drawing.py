"""A day as a picture: load, pods, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.scaling.choosing import Scaled
from loadtests.scaling.day import Minute
from loadtests.scaling.deployments import Costs, Moment, api_day, worker_day

_MINUTE = 60


def draw(day: Sequence[Minute], costs: Costs, api: Scaled, worker: Scaled, path: Path) -> Path:
    """Draw what the thresholds of the manifest make of a day."""
    percent, rate = api.thresholds
    messages, oldest = worker.thresholds
    requests = list(api_day(day, costs, api.behaviour, cpu_percent=percent, rate=rate))
    fires = list(worker_day(day, costs, worker.behaviour, messages=messages, oldest=oldest))
    figure = Figure(figsize=(11.0, 9.0), layout="constrained")
    planes = figure.subplots(5, 1, sharex=True)
    _line(planes[0], requests, [moment.load for moment in requests], "requests/s")
    _line(planes[1], fires, [moment.load for moment in fires], "fires/s", top=True)
    _line(planes[2], requests, [moment.ready for moment in requests], "pods of the API")
    _line(planes[2], fires, [moment.ready for moment in fires], "pods of workers")
    _line(planes[3], fires, [moment.waits for moment in fires], "lateness, s", top=True)
    _line(planes[4], fires, [moment.messages for moment in fires], "waiting messages", top=True)
    planes[-1].set_xlabel("hour of the day (UTC)")
    figure.savefig(path, metadata={"Date": None})
    return path


def _line(
    plane: Axes, moments: Sequence[Moment], values: Sequence[float], name: str, *, top: bool = False
) -> None:
    """A value a minute: its highest where `top`, else its last."""
    starts = range(0, len(moments), _MINUTE)
    shown = [
        max(values[at : at + _MINUTE]) if top else values[min(at + _MINUTE, len(values)) - 1]
        for at in starts
    ]
    plane.plot([at / 3_600 for at in starts], shown, label=name)
    plane.grid(visible=True, alpha=0.3)
    plane.legend(loc="upper left")
