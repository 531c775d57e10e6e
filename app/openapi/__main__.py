"""Print the API's description, for what reads it without a server: `python -m app.openapi`."""

from __future__ import annotations

import json

import click

from app.api import create_app
from app.openapi.document import description_of
from app.settings import Settings


def main() -> None:
    """Print it."""
    settings = Settings(primary_url="postgresql://nowhere", redis_url="redis://nowhere")
    click.echo(json.dumps(description_of(create_app(settings)), indent=2))


if __name__ == "__main__":
    main()
