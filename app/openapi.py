"""The API's description, in OpenAPI 3.1."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPI,
    OpenAPIHeader,
    OpenAPIResponse,
    Operation,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIType

from app.bodies import (
    BackfillBody,
    ChosenRunsBody,
    JobBody,
    JobChangesBody,
    PreviewBody,
    ResumeBody,
    TriggerBody,
)
from app.problems import Problem
from app.resources import (
    BackfillPage,
    BackfillResource,
    BulkResource,
    CalendarPage,
    JobPage,
    LedgerPage,
    RunDetailResource,
    RunPage,
    RunResource,
)
from app.routes.health import Health
from app.schedule_bodies import CalendarBody
from app.schedule_resources import CalendarResource, PreviewResource
from app.secret_resources import (
    SecretBody,
    SecretPage,
    SecretResource,
    SigningSecretPage,
    SigningSecretResource,
    SigningSecretRotationBody,
)
from app.service_bodies import (
    KeyBody,
    MemberBody,
    RotationBody,
    ServiceBody,
    ServiceChangesBody,
)
from app.service_resources import (
    AuditPage,
    KeyPage,
    KeyResource,
    MemberPage,
    MemberResource,
    MeResource,
    ServicePage,
    ServiceResource,
)
from app.stats_resources import StatsResource
from domain.job_filter import JobSort, Order
from domain.resources.job import JobResource

ASSETS = "/docs/assets"
_BODIES = (
    JobBody,
    JobChangesBody,
    PreviewBody,
    TriggerBody,
    ResumeBody,
    BackfillBody,
    ChosenRunsBody,
    CalendarBody,
    JobResource,
    JobPage,
    RunResource,
    RunPage,
    RunDetailResource,
    LedgerPage,
    PreviewResource,
    CalendarResource,
    CalendarPage,
    BackfillResource,
    BackfillPage,
    BulkResource,
    StatsResource,
    ServiceBody,
    ServiceChangesBody,
    ServiceResource,
    ServicePage,
    KeyBody,
    RotationBody,
    KeyResource,
    KeyPage,
    SecretBody,
    SecretResource,
    SecretPage,
    SigningSecretRotationBody,
    SigningSecretResource,
    SigningSecretPage,
    MemberBody,
    MemberResource,
    MemberPage,
    MeResource,
    AuditPage,
    Problem,
    Health,
    JobSort,
    Order,
)
_HEADERS = {
    "429": ("Retry-After", "Seconds to wait before the next try"),
    "401": ("WWW-Authenticate", "Always `Bearer`"),
    "503": ("Retry-After", "Seconds to wait before the next try"),
}


class _Page(SwaggerRenderPlugin):
    def receive_router(self, router: Router) -> None:
        # Litestar answers what lies below with a page of HTML; like any other unknown address, it
        # is to be a problem document.
        router.routes = [route for route in router.routes if "{path" not in route.path]


def openapi_config() -> OpenAPIConfig:
    """What Litestar builds the description from, and the page that shows it."""
    return OpenAPIConfig(
        title="Tocsin",
        version=version("tocsin"),
        description="A scheduler: store jobs, and Tocsin rings their targets on time.",
        path="/docs",
        components=Components(
            security_schemes={
                "api_key": SecurityScheme(
                    type="http", scheme="bearer", description="A key from `tocsin key create`"
                )
            }
        ),
        render_plugins=[
            _Page(
                js_url=f"{ASSETS}/swagger-ui-bundle.js",
                css_url=f"{ASSETS}/swagger-ui.css",
                standalone_preset_js_url=f"{ASSETS}/swagger-ui-standalone-preset.js",
                path="/",
                favicon="<link rel='icon' href='data:,'>",
            ),
        ],
    )


def complete(document: OpenAPI) -> None:
    """Say what Litestar leaves out: all that msgspec checks, and the headers of refusals."""
    document.components.schemas = _schemas()
    for item in (document.paths or {}).values():
        for operation in (item.get, item.post, item.put, item.patch, item.delete):
            _add_headers(operation)


def _schemas() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(_BODIES, ref_template="#/components/schemas/{name}")
    _add_listed_job(schemas)
    for schema in schemas.values():
        # What follows in a docstring is for those who read the code.
        schema["description"] = schema["description"].partition("\n\n")[0]
    return schemas


def _add_listed_job(schemas: dict[str, Any]) -> None:
    """A job in a list has the fields that were asked for."""
    listed = {name: value for name, value in schemas["JobResource"].items() if name != "required"}
    listed |= {"title": "ListedJob", "description": "A job, or those of its fields asked for."}
    schemas["ListedJob"] = listed
    schemas["JobPage"]["properties"]["items"]["items"] = {"$ref": "#/components/schemas/ListedJob"}


def _add_headers(operation: Operation | None) -> None:
    for status, response in ((operation and operation.responses) or {}).items():
        if status in _HEADERS and isinstance(response, OpenAPIResponse):
            name, description = _HEADERS[status]
            schema = Schema(type=OpenAPIType.STRING)
            response.headers = {name: OpenAPIHeader(description=description, schema=schema)}
