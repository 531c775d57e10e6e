"""Clients in Python that generators make of `/openapi.json`, and what is done with them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.processes import System

HERE = Path(__file__).parent


def describe(system: System, folder: Path) -> Path:
    """Where the document of a running Tocsin lies."""
    document = folder / "openapi.json"
    document.write_bytes(httpx.get(f"{system.url}/openapi.json").content)
    return document


def tell(
    command: Sequence[str | Path],
    calling: httpx.Client,
    target: str,
    environment: Mapping[str, str],
) -> None:
    """Run a story as the service that a client calls as.

    Raises:
        AssertionError: With what it printed, when it came to no good end.
    """
    key = calling.headers["authorization"].removeprefix("Bearer ")
    told = {"TOCSIN_URL": str(calling.base_url), "TOCSIN_KEY": key, "TARGET_URL": target}
    run(command, environment={**environment, **told})


def run(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, **more: Any
) -> None:
    """Run a program to its end.

    Raises:
        AssertionError: With what it printed, when it failed.
    """
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        **more,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def openapi_python_client(
    document: Path, folder: Path, calling: httpx.Client, target: str, python: str = sys.executable
) -> None:
    """Generate it, and have it tell its story."""
    run(
        [
            *(python, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--path", document, "--output-path", folder / "tocsin_client", "--overwrite"),
        ],
        cwd=folder,
    )
    story = [python, HERE / "openapi_python_client_story.py"]
    tell(story, calling, target, {"PYTHONPATH": str(folder)})


def datamodel_code_generator(
    document: Path, folder: Path, calling: httpx.Client, python: str = sys.executable
) -> None:
    """Generate models, and have them read what the API answers."""
    models = folder / "tocsin_models.py"
    run(
        [
            *(python, "-m", "datamodel_code_generator", "--input", document, "--output", models),
            *("--input-file-type", "openapi"),
            *("--output-model-type", "pydantic_v2.BaseModel", "--formatters", "builtin"),
        ],
        cwd=folder,
    )
    page = folder / "jobs.json"
    page.write_bytes(calling.get("/jobs").content)
    read = "import sys, tocsin_models as m; m.JobPage.model_validate_json(open(sys.argv[1]).read())"
    run([python, "-c", read, page], environment={"PYTHONPATH": str(folder)})
