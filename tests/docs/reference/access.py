"""The page of access: every route, and what each kind of caller is answered."""

from __future__ import annotations

from app.api import create_app
from app.openapi import access_page
from app.requests.access import rules
from app.settings import Settings


def page() -> str:
    """The page in Markdown."""
    settings = Settings(primary_url="postgresql://nowhere", redis_url="redis://nowhere")
    return access_page.page(rules(create_app(settings)))
