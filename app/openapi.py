"""The API's description, in OpenAPI 3.1."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Request, Response, Router, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, OpenAPI, SecurityScheme

from app.bodies import (
    BackfillBody,
    ChosenRunsBody,
    JobBody,
    PauseBody,
    PreviewBody,
    ResumeBody,
    TriggerBody,
)
from app.job_patches import JobChangesBody
from app.openapi_headers import describe_headers
from app.openapi_patches import describe_patches
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
from app.target_resources import TargetList
from domain.job_filter import JobSort, Order
from domain.resources.job import JobResource

ASSETS = "/docs/assets"
SCRIPT = "/docs/page.js"
_BODIES = (
    JobBody,
    JobChangesBody,
    PreviewBody,
    TriggerBody,
    PauseBody,
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
    TargetList,
    Problem,
    Health,
    JobSort,
    Order,
)


# Not within the page, so that it does with the strictest policy for scripts.
_SCRIPT = b"""SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-container",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""


class _Page(SwaggerRenderPlugin):
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return f"""<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{openapi_schema["info"]["title"]}</title>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="{self.css_url}">
</head>
<body>
  <div id="swagger-container"></div>
  <script src="{self.js_url}"></script>
  <script src="{self.standalone_preset_js_url}"></script>
  <script src="{SCRIPT}"></script>
</body>
</html>
""".encode()

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
                    type="http", scheme="bearer", description="An API key, or a person's token"
                )
            }
        ),
        render_plugins=[
            _Page(
                js_url=f"{ASSETS}/swagger-ui-bundle.js",
                css_url=f"{ASSETS}/swagger-ui.css",
                standalone_preset_js_url=f"{ASSETS}/swagger-ui-standalone-preset.js",
                path="/",
            ),
        ],
    )


@get(SCRIPT, include_in_schema=False, sync_to_thread=False)
def page_script() -> Response[bytes]:
    """What begins the page."""
    return Response(_SCRIPT, media_type="text/javascript")


def complete(document: OpenAPI) -> None:
    """Say what Litestar leaves out: all that msgspec checks, and the headers of refusals."""
    document.components.schemas = _schemas()
    describe_headers(document)
    describe_patches(document)


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
