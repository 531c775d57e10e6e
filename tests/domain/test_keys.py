"""The text of API keys."""

from __future__ import annotations

from secrets import token_urlsafe
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.keys import key_text, service_of

SERVICE = UUID("0199e0a0-0000-7000-8000-00000000000a")
SECRET = "A" * 43


@given(st.uuids())
def test_a_key_names_its_service(service: UUID):
    assert service_of(key_text(service, token_urlsafe(32))) == service


def test_a_key_begins_as_secret_scanners_expect():
    assert key_text(SERVICE, SECRET) == f"tocsin_0199e0a000007000800000000000000a_{SECRET}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tocsin_",
        f"tocsin_{SERVICE.hex}",
        f"tocsin_{SERVICE.hex}_{SECRET[:-1]}",
        f"tocsin_{SERVICE.hex}_{SECRET}A",
        f"tocsin_{SERVICE.hex}_{SECRET}\n",
        f" tocsin_{SERVICE.hex}_{SECRET}",
        f"tocsin_{SERVICE.hex.upper()}_{SECRET}",
        f"tocsin_{SERVICE}_{SECRET}",
        f"tocsin_{SERVICE.hex}_{'Ä' * 43}",
        f"other_{SERVICE.hex}_{SECRET}",
        key_text(SERVICE, SECRET).replace("0", "٠"),  # noqa: RUF001
    ],
)
def test_what_is_no_key_names_no_service(text: str):
    assert service_of(text) is None
