"""References to secrets: what is one, and that no value breaks out of where it is put."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.targets import Allowed, check_target, secret_names
from domain.targets.kinds.actor import ActorTarget
from domain.targets.kinds.http import HttpTarget
from domain.targets.secrets import in_header, in_json

URL = "https://example.com/"


def body(text: str) -> HttpTarget:
    return HttpTarget(url=URL, body=msgspec.Raw(text.encode()))


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (body('{"a": "x${secret.A}y${secret.B_2-c}"}'), {"A": "/body", "B_2-c": "/body"}),
        (body('"Bearer ${secret.A}"'), {"A": "/body"}),
        (body('{"${secret.A}": 1}'), {"A": "/body"}),
        (HttpTarget(url=URL, headers={"x": "${secret.A}"}), {"A": "/headers/x"}),
        (HttpTarget(url=URL, headers={"x~y": "${secret.A}"}), {"A": "/headers/x~0y"}),
        (ActorTarget(actor="a", payload=msgspec.Raw(b'["${secret.A}"]')), {"A": "/payload"}),
        (body('"$${secret.A} ${other} $secret.A {secret.A} ${SECRET.A}"'), {}),
        (body(r'"\u0024{secret.A}"'), {}),
        (HttpTarget(url=URL), {}),
    ],
)
def test_references_are_found(target: Any, names: dict[str, str]):
    assert secret_names(target) == names
    check_target(target, Allowed(actor=frozenset({"a"})))


@pytest.mark.parametrize(
    "text",
    [
        "${secret.}",
        "${secret.A",
        "${secret.A B}",
        "${secret.1A}",
        "${secret.A.B}",
        "${secret.${secret.A}}",
        "${secret.é}",
        "${secret." + "A" * 65 + "}",
        "${secret.A} ${secret.",
    ],
)
def test_a_malformed_reference_is_refused_where_it_stands(text: str):
    raw = msgspec.Raw(msgspec.json.encode({"k": text}))
    for target, pointer in (
        (HttpTarget(url=URL, headers={"x": text}), "/headers/x"),
        (HttpTarget(url=URL, body=raw), "/body"),
        (ActorTarget(actor="a", payload=raw), "/payload"),
    ):
        if pointer.startswith("/headers") and not text.isascii():
            continue  # refused for that already
        with pytest.raises(Invalid) as refusal:
            check_target(target, Allowed(actor=frozenset({"a"})))
        assert refusal.value.pointer == pointer


def test_a_url_takes_no_secret():
    with pytest.raises(Invalid, match="header or the body") as refusal:
        check_target(HttpTarget(url="https://example.com/?t=${secret.A}"), Allowed())
    assert refusal.value.pointer == "/url"


def test_a_target_refers_to_twenty_secrets_at_most():
    check_target(body(json.dumps([f"${{secret.A{n}}}" for n in range(20)])), Allowed())
    with pytest.raises(Invalid, match="20"):
        check_target(body(json.dumps([f"${{secret.A{n}}}" for n in range(21)])), Allowed())


@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_value_breaks_out_of_json(value: str):
    raw = msgspec.Raw(
        b'{"a":  "<${secret.A}>", "n": 12345678901234567890123, "b": ["$${secret.A}"]}'
    )
    filled = bytes(in_json(raw, {"A": value}, ""))
    assert json.loads(filled) == {
        "a": f"<{value}>",
        "n": 12345678901234567890123,
        "b": ["${secret.A}"],
    }
    assert filled.startswith(b'{"a":  "<')


def test_a_value_is_not_looked_into():
    values = {"A": "${secret.B} $${secret.B} \\1", "B": "other"}
    assert in_header("${secret.A}", values, "") == values["A"]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\ra", "a\x7f", "é", "a\x1b"])
def test_a_header_takes_only_what_it_can_carry(value: str):
    with pytest.raises(Invalid, match="/headers/x") as refusal:
        in_header("Bearer ${secret.A}", {"A": value}, "/headers/x")
    assert value not in refusal.value.detail


def test_what_is_filled_in_is_bounded():
    long = {"A": "x" * 8_192}
    assert len(in_header("${secret.A}", long, "")) == 8_192
    with pytest.raises(Invalid, match="longer"):
        in_header("${secret.A}" * 3, long, "")
    with pytest.raises(Invalid, match="longer"):
        in_json(msgspec.Raw(b'"' + b"${secret.A}" * 200 + b'"'), long, "")
