"""What every pod of ours is to have, and what is to lead somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.manifests.objects import POD_KINDS, Object, name_of, pod_of

# Leads to no pod on purpose, or to pods that an operator makes.
LEAD_ELSEWHERE = {
    "Service/nobody",
    "Service/postgres-replica-1",
    "Service/postgres-replica-2",
    "Service/postgres-replica-3",
}


def problems_of(things: list[Object]) -> Iterator[str]:
    """What breaks a rule among objects that are applied together."""
    pods = [one for one in things if one["kind"] in POD_KINDS]
    for thing in pods:
        yield from (f"{name_of(thing)}: {problem}" for problem in _pod_problems(thing))
    yield from _selector_problems(things, pods)
    yield from _reference_problems(things)


def _pod_problems(thing: Object) -> Iterator[str]:
    pod = pod_of(thing)
    context = pod.get("securityContext", {})
    if pod.get("automountServiceAccountToken") is not False:
        yield "mounts a token"
    if not context.get("runAsNonRoot") or context.get("runAsUser", 0) == 0:
        yield "may run as root"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has no seccomp profile"
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        yield from (f"{container['name']} {no}" for no in _container_problems(container))
    if thing["kind"] != "Job":
        for container in pod["containers"]:
            if not {"readinessProbe", "startupProbe"} & container.keys():
                yield f"{container['name']} is never ready or never starts"
            if "livenessProbe" not in container:
                yield f"{container['name']} has no liveness probe"


def _container_problems(container: dict[str, Any]) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "writes to its image"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "has capabilities"
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= resources.get("requests", {}).keys():
        yield "asks for no resources"
    if "memory" not in resources.get("limits", {}):
        yield "has no limit of memory"
    tag = container["image"].rpartition("/")[2].partition(":")[2]
    if tag in {"", "latest"}:
        yield "has an image of no version"


def _selector_problems(things: list[Object], pods: list[Object]) -> Iterator[str]:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in pods]
    for thing in things:
        if thing["kind"] not in {"Service", "PodDisruptionBudget"}:
            continue
        selector = thing["spec"].get("selector", {})
        wanted = selector.get("matchLabels", selector).items()
        leads = wanted and any(wanted <= there.items() for there in labels)
        if not leads and name_of(thing) not in LEAD_ELSEWHERE:
            yield f"{name_of(thing)}: selects no pod"


def _reference_problems(things: list[Object]) -> Iterator[str]:
    there = {name_of(one) for one in things}
    for thing in things:
        if thing["kind"] == "ScaledObject":
            wanted = f"Deployment/{thing['spec']['scaleTargetRef']['name']}"
            if wanted not in there:
                yield f"{name_of(thing)}: scales {wanted}, which is not there"
        if thing["kind"] in POD_KINDS:
            for container in pod_of(thing)["containers"]:
                for source in container.get("envFrom", ()):
                    name = f"ConfigMap/{source.get('configMapRef', {}).get('name')}"
                    if "configMapRef" in source and name not in there:
                        yield f"{name_of(thing)}: reads {name}, which is not there"
    if not any(one["kind"] == "NetworkPolicy" for one in things):
        yield "no policy says who may talk to whom"
