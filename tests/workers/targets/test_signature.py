"""Signatures, checked as a target checks them: with the Standard Webhooks package."""

from __future__ import annotations

import time
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from workers.targets.http.signature import sign

RUN = "019d3736-523b-78a8-883c-cb72071b1aef"
SECRETS = st.binary(min_size=24, max_size=64).map(lambda key: "whsec_" + b64encode(key).decode())
OLD, NEW = ("whsec_" + b64encode(bytes([n]) * 32).decode() for n in (1, 2))
BODY = '{"full": true, "name": "läuft"}'.encode()


def headers(signature: str, timestamp: int) -> dict[str, str]:
    return {
        "webhook-id": RUN,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


@given(SECRETS, st.text().map(str.encode))
def test_a_target_accepts_the_signature(secret: str, body: bytes):
    timestamp = int(time.time())
    signature = sign([secret], RUN, timestamp, body)
    Webhook(secret).verify(body, headers(signature, timestamp), json_parse=False)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_while_a_secret_rotates_either_one_verifies(secret: str):
    timestamp = int(time.time())
    signature = sign([OLD, NEW], RUN, timestamp, BODY)
    Webhook(secret).verify(BODY, headers(signature, timestamp), json_parse=False)


@pytest.mark.parametrize(
    "changed",
    [
        {"body": BODY + b" "},
        {"webhook-id": RUN[:-1] + "0"},
        {"webhook-timestamp": str(int(time.time()) + 30)},
    ],
)
def test_another_body_id_or_instant_does_not_verify(changed: dict[str, object]):
    timestamp = int(time.time())
    signed = {**headers(sign([OLD], RUN, timestamp, BODY), timestamp), "body": BODY, **changed}
    body = signed.pop("body")
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(body, signed, json_parse=False)


def test_another_secret_does_not_verify():
    timestamp = int(time.time())
    signature = sign([OLD], RUN, timestamp, BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY, headers(signature, timestamp), json_parse=False)
