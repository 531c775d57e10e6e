"""Clients that generators make create, list, read, change and trigger jobs, and read the ledger.

`make clients` brings the generators from PyPI and npm, checks the document by three validators, and
lets every client tell its story against a Tocsin of its own: see docs/reference/http.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx

from loadtests.sink.process import SinkProcess
from tests.clients import python_clients
from tests.clients.python_clients import HERE, describe, run, tell
from tests.processes import System
from tests.servers import started_servers, urls_of

PYTHON = (
    "openapi-python-client==0.29.1",
    "datamodel-code-generator==0.89.0",
    "openapi-generator-cli==7.26.0",
    "urllib3",
    "python-dateutil",
    "pydantic",
)
NODE = {
    "@redocly/cli": "2.77.0",
    "@stoplight/spectral-cli": "6.16.3",
    "openapi-fetch": "0.17.0",
    "openapi-typescript": "7.13.0",
    "orval": "7.13.2",
    "tsx": "4.23.15",
    "typescript": "5.9.3",
    "zod": "4.6.7",
    "@types/node": "20.19.43",
}
STRICT = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext")


def main(tools: Path) -> None:
    """Try all of them.

    Args:
        tools: Where the generators lie, from one time to the next.
    """
    python = _python(tools)
    _node(tools)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the servers may run as another account
        with _running(folder) as (system, sink):
            document = describe(system, folder)
            _validate(document, tools)
            target = f"{sink.url}/clients"

            @contextmanager
            def calling() -> Iterator[httpx.Client]:
                with system.client(f"clients-{uuid4()}") as client:
                    yield client

            with calling() as client:
                python_clients.openapi_python_client(document, folder, client, target, python)
                _say("openapi-python-client")
            with calling() as client:
                client.post(
                    "/jobs",
                    json={"schedule": {"after": "P30D"}, "target": {"type": "http", "url": target}},
                )
                python_clients.datamodel_code_generator(document, folder, client, python)
                _say("datamodel-code-generator")
            with calling() as client:
                _openapi_generator(document, folder, client, target, python)
                _say("openapi-generator, python")
            with calling() as client:
                _openapi_fetch(document, client, target, tools)
                _say("openapi-typescript and openapi-fetch, tsc --strict")
            with calling() as client:
                _orval(document, client, target, tools)
                _say("orval with zod")


@contextmanager
def _running(folder: Path) -> Iterator[tuple[System, SinkProcess]]:
    with (
        SinkProcess() as sink,
        started_servers(folder / "servers") as servers,
        System(urls_of(servers), folder) as system,
    ):
        system.migrate()
        system.start("api", "dispatcher", "worker", "clock")
        yield system, sink


def _python(tools: Path) -> str:
    python = tools / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", python])
        run([python / "bin" / "pip", "install", "--quiet", *PYTHON])
    return str(python / "bin" / "python")


def _node(tools: Path) -> None:
    package = tools / "package.json"
    wanted = json.dumps({"private": True, "type": "module", "devDependencies": NODE})
    if not package.exists() or package.read_text() != wanted:
        package.write_text(wanted)
        run(["npm", "install", "--no-audit", "--no-fund"], cwd=tools)


def _bin(tools: Path, name: str) -> str:
    return str(tools / "node_modules" / ".bin" / name)


def _validate(document: Path, tools: Path) -> None:
    run([_bin(tools, "redocly"), "lint", "--extends", "recommended", document], cwd=tools)
    _say("redocly")
    (tools / "spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    run(
        [_bin(tools, "spectral"), "lint", "--ruleset", tools / "spectral.yaml", document], cwd=tools
    )
    _say("spectral")


def _openapi_generator(
    document: Path, folder: Path, calling: httpx.Client, target: str, python: str
) -> None:
    made = folder / "openapi_generator"
    generator = Path(python).parent / "openapi-generator-cli"
    run(
        [
            *(generator, "generate", "--input-spec", document, "--generator-name", "python"),
            *("--output", made, "--package-name", "tocsin_generated"),
        ]
    )
    story = [python, HERE / "openapi_generator_story.py"]
    tell(story, calling, target, {"PYTHONPATH": str(made)})


def _openapi_fetch(document: Path, calling: httpx.Client, target: str, tools: Path) -> None:
    made = tools / "openapi_fetch"
    made.mkdir(exist_ok=True)
    run([_bin(tools, "openapi-typescript"), document, "--output", made / "schema.d.ts"])
    (made / "story.ts").write_text((HERE / "openapi_fetch_story.ts").read_text())
    _compile(made / "story.ts", tools)
    tell([_bin(tools, "tsx"), made / "story.ts"], calling, target, {})


def _orval(document: Path, calling: httpx.Client, target: str, tools: Path) -> None:
    made = tools / "orval"
    made.mkdir(exist_ok=True)
    kinds = {"client": "fetch", "schemas": "zod"}
    outputs = {
        name: {
            "input": str(document),
            "output": {"target": str(made / f"{name}.ts"), "client": kind, "mode": "single"},
        }
        for name, kind in kinds.items()
    }
    config = tools / "orval.config.cjs"
    config.write_text(f"module.exports = {json.dumps(outputs)};")
    run([_bin(tools, "orval"), "--config", config], cwd=tools)
    (made / "story.ts").write_text((HERE / "orval_story.ts").read_text())
    _compile(made / "story.ts", tools)
    tell([_bin(tools, "tsx"), made / "story.ts"], calling, target, {})


def _compile(story: Path, tools: Path) -> None:
    # From where the types of Node lie.
    run([_bin(tools, "tsc"), *STRICT, "--moduleResolution", "bundler", story], cwd=tools)


def _say(what: str) -> None:
    print(f"{what}: right", flush=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        main(folder)
    except (AssertionError, subprocess.TimeoutExpired) as wrong:
        sys.exit(f"wrong: {wrong}")
