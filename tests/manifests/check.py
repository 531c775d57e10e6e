"""Builds what is deployed and looks at all of it: `make manifests`.

Every object against its schema and our rules, every query against PromQL's grammar.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import yaml

from tests.manifests import rules, schemas
from tests.manifests.objects import K8S, Object, name_of, queries_of

BUILT = ("overlays/dev", "overlays/production", "examples/postgres", "examples/valkey", "loadtest")


def main() -> None:
    """Print what is wrong, and exit with 1 if anything is."""
    build = _builder()
    problems = 0
    for folder in BUILT:
        command = [*build, str(K8S / folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{folder}: {done.stderr}")
        things = list(yaml.safe_load_all(done.stdout))
        found = list(_problems_of(things))
        problems += len(found)
        print(f"{folder}: {len(things)} objects, {len(found)} problems")
        print("".join(f"  {problem}\n" for problem in found), end="")
    dashboard = json.loads((K8S / "monitoring" / "tocsin.json").read_text())
    found = list(_query_problems("dashboard", dashboard))
    print(f"dashboard: {len(list(queries_of(dashboard)))} queries, {len(found)} problems", *found)
    sys.exit(bool(problems or found))


def _builder() -> list[str]:
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    sys.exit("This needs kustomize, or kubectl 1.30 or newer, which brings it, on the PATH.")


def _problems_of(things: list[Object]) -> Iterator[str]:
    for thing in things:
        yield from (f"{name_of(thing)}: {problem}" for problem in schemas.problems_of(thing))
        yield from _query_problems(name_of(thing), thing)
        if thing["kind"] == "PrometheusRule":
            yield from _promtool_problems(thing)
    yield from rules.problems_of(things)


def _query_problems(name: str, thing: Object) -> Iterator[str]:
    for query in queries_of(thing):
        try:
            promql_parser.parse(query)
        except ValueError as error:
            yield f"{name}: {query}: {error}"


def _promtool_problems(rule: Object) -> Iterator[str]:
    """Prometheus' own opinion, also of what the annotations make of labels."""
    if not shutil.which("promtool"):
        print("promtool (Debian's package prometheus) is not there: alerts are only parsed")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yaml"
        path.write_text(yaml.safe_dump(rule["spec"]))
        done = subprocess.run(
            ["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        yield done.stdout + done.stderr


if __name__ == "__main__":
    main()
