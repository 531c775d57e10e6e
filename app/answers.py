"""Answers that several routes give."""

from __future__ import annotations

from litestar import Response

from app.resources import RunResource
from domain.run import Run


def run_accepted(run: Run) -> Response[RunResource]:
    """A run was made; it is on its way."""
    return Response(RunResource.of(run), status_code=202, headers={"Location": f"/runs/{run.id}"})
