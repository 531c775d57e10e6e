"""Answers that several routes give."""

from __future__ import annotations

from typing import Any, TypeVar

from litestar import Response
from litestar.openapi.datastructures import ResponseSpec

from app.schemas.runs import RunResource
from domain.runs.run import Run

Stored = TypeVar("Stored")


def run_accepted(run: Run) -> Response[RunResource]:
    """A run was made; it is on its way."""
    return Response(RunResource.of(run), status_code=202, headers={"Location": f"/runs/{run.id}"})


def made(resource: type[Any]) -> dict[int, ResponseSpec]:
    """OpenAPI's word of what a PUT answers where there was nothing."""
    return {201: ResponseSpec(resource, description="Made", generate_examples=False)}


def stored(resource: Stored, *, is_new: bool) -> Response[Stored]:
    """What was put is there; 201 where there was nothing (RFC 9110, 9.3.4)."""
    return Response(resource, status_code=201 if is_new else 200)
