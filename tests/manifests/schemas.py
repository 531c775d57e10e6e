"""Whether objects are what Kubernetes or an operator takes: each field known, and of its type."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import kubernetes_validate

from tests.manifests.objects import Object

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of how the models were generated
    from cloudcoil.models.keda import v1alpha1 as keda
    from cloudcoil.models.prometheus_operator import v1 as monitoring

VERSION = "1.33"
MODELS = {
    "ScaledObject": keda.ScaledObject,
    "PodMonitor": monitoring.PodMonitor,
    "PrometheusRule": monitoring.PrometheusRule,
}
# CloudNativePG's schemas are in no registry that this project uses. These are the fields of its
# documentation that we use, so that a slip of the pen is found; their values are not looked at.
FIELDS = {
    "Cluster": """
        affinity bootstrap imageName inheritedMetadata instances plugins postgresql
        resources storage walStorage affinity.podAntiAffinityType affinity.topologyKey
        bootstrap.initdb bootstrap.initdb.database bootstrap.initdb.owner
        inheritedMetadata.labels plugins.name plugins.isWALArchiver plugins.parameters
        postgresql.parameters postgresql.synchronous postgresql.synchronous.dataDurability
        postgresql.synchronous.method postgresql.synchronous.number resources.limits
        resources.requests storage.size walStorage.size
    """,
    "Pooler": """cluster cluster.name instances pgbouncer pgbouncer.parameters pgbouncer.poolMode
        template template.metadata template.metadata.labels template.spec template.spec.containers
        type""",
    "ScheduledBackup": """cluster cluster.name method pluginConfiguration pluginConfiguration.name
        schedule""",
    "ObjectStore": """configuration configuration.destinationPath configuration.s3Credentials
        configuration.s3Credentials.accessKeyId configuration.s3Credentials.secretAccessKey
        configuration.wal configuration.wal.compression retentionPolicy""",
}
# Whose keys are the user's own.
FREE = ("parameters", "labels", "requests", "limits", "accessKeyId", "secretAccessKey")


def problems_of(thing: Object) -> Iterator[str]:
    """What is wrong with an object."""
    kind = thing["kind"]
    if kind in MODELS:
        yield from _problems_with_model(thing, MODELS[kind])
    elif kind in FIELDS:
        yield from (
            f"unknown field {path}"
            for path in _paths(thing["spec"])
            if path not in FIELDS[kind].split()
        )
    else:
        try:
            kubernetes_validate.validate(thing, VERSION, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as no:
            yield no.message


def _problems_with_model(thing: Object, model: Any) -> Iterator[str]:
    try:
        read = model.model_validate(thing)
    except ValueError as error:
        yield str(error)
        return
    # The models drop what they do not know.
    known = set(_paths(read.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    yield from (f"unknown field {path}" for path in _paths(thing) if path not in known)


def _paths(value: object, before: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _paths(one, before)
    elif isinstance(value, dict):
        for key, inside in value.items():
            path = f"{before}.{key}".lstrip(".")
            yield path
            if key not in FREE:
                yield from _paths(inside, path)
