"""Kubernetes' objects, and what of them is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
K8S = Path(__file__).resolve().parents[2] / "k8s"
POD_KINDS = {"Deployment", "StatefulSet", "Job"}
METRIC = re.compile(r"\btocsin_[a-z_]+\b")


@cache
def loaded(path: Path) -> list[Object]:
    """The objects of a file."""
    return [one for one in yaml.load_all(path.read_text(), yaml.CSafeLoader) if one]


def written() -> Iterator[Object]:
    """The objects of all files, before they are put together."""
    for path in sorted(K8S.rglob("*.yaml")):
        yield from (one for one in loaded(path) if isinstance(one, dict) and "kind" in one)


def name_of(thing: Object) -> str:
    """`Kind/name`."""
    return f"{thing['kind']}/{thing['metadata']['name']}"


def named(name: str) -> Object:
    """The only object of that `Kind/name` in the base, or else anywhere."""
    found = [one for one in written() if "metadata" in one and name_of(one) == name]
    assert len(found) == 1, (name, len(found))
    return found[0]


def pod_of(thing: Object) -> Object:
    """The pod that a Deployment and its like make."""
    pod: Object = thing["spec"]["template"]["spec"]
    return pod


def queries_of(thing: Object) -> Iterator[str]:
    """All PromQL of an alert, a scaler or a dashboard."""
    match thing:
        case {"kind": "PrometheusRule", "spec": {"groups": groups}}:
            yield from (rule["expr"] for group in groups for rule in group["rules"])
        case {"kind": "ScaledObject", "spec": {"triggers": triggers}}:
            yield from (one["metadata"]["query"] for one in triggers if one["type"] == "prometheus")
        case {"panels": panels}:
            for panel in panels:
                for target in panel["targets"]:
                    yield target["expr"].replace("$__rate_interval", "1m")
