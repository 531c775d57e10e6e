"""The page that shows the API's description, with files of our own only."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from litestar import Request, Response, Router, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme

ASSETS = "/docs/assets"
SCRIPT = "/docs/page.js"


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
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
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
