"""People's tokens: what is taken, and all that is tried to pass for one."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import digest
from typing import Any

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.edge.authentication.identity_provider import IdentityProvider, Patience
from app.edge.authentication.person import ProviderAway, TokenRefused
from app.edge.authentication.tokens import Tokens
from app.settings import SettingsError, read_settings
from tests.access.conftest import calling
from tests.access.issuer import AUDIENCE, Issuer, SigningKey
from tests.processes import System

Forge = Callable[[Issuer], str]


def seconds_from_now(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def part(value: object) -> bytes:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def assembled(issuer: Issuer, header: dict[str, Any], secret: bytes | None = None) -> str:
    """A token that no library would make."""
    claims = issuer.claims("mallory", iat=1_000, exp=9_999_999_999)
    signed = part(header) + b"." + part(claims)
    signature = b"" if secret is None else digest(secret, signed, sha256)
    return (signed + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()


def public_pem(issuer: Issuer, number: int) -> bytes:
    key = issuer.keys[number].private.public_key()
    pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def with_its_own_key(issuer: Issuer) -> str:
    mine = SigningKey("mine")
    headers = {"kid": "mine", "jwk": mine.jwk, "jku": "http://127.0.0.1:1/keys"}
    return jwt.encode(issuer.claims("mallory"), mine.private, "ES256", headers)


def changed(issuer: Issuer) -> str:
    head, _, signature = issuer.token("mallory").split(".")
    claims = {**issuer.claims("admin"), "iat": 1_000, "exp": 9_999_999_999}
    return f"{head}.{part(claims).decode()}.{signature}"


FORGED: dict[str, Forge] = {
    "none": lambda issuer: assembled(issuer, {"alg": "none", "kid": "first"}),
    "None": lambda issuer: assembled(issuer, {"alg": "nOnE", "kid": "first"}),
    "no algorithm": lambda issuer: assembled(issuer, {"kid": "first"}),
    "HMAC with the public key": lambda issuer: assembled(
        issuer, {"alg": "HS256", "kid": "rsa"}, public_pem(issuer, 1)
    ),
    "RSA's name over an HMAC": lambda issuer: assembled(
        issuer, {"alg": "RS256", "kid": "rsa"}, public_pem(issuer, 1)
    ),
    "another key of that id": lambda issuer: issuer.token("mallory", SigningKey("first")),
    "a key it brings along": with_its_own_key,
    "the algorithm of another key": lambda issuer: jwt.encode(
        issuer.claims("mallory"), issuer.keys[1].private, "RS256", {"kid": "first"}
    ),
    "an algorithm its key is not for": lambda issuer: jwt.encode(
        issuer.claims("mallory"), issuer.keys[1].private, "PS256", {"kid": "rsa"}
    ),
    "no key id": lambda issuer: jwt.encode(
        issuer.claims("mallory"), issuer.keys[0].private, "ES256"
    ),
    "a critical extension": lambda issuer: jwt.encode(
        issuer.claims("mallory"),
        issuer.keys[0].private,
        "ES256",
        {"kid": "first", "crit": ["exp"]},
    ),
    "claims changed": changed,
    "signature cut": lambda issuer: issuer.token("mallory").rpartition(".")[0] + ".",
    "expired": lambda issuer: issuer.token("mallory", exp=seconds_from_now(-40)),
    "not yet good": lambda issuer: issuer.token("mallory", nbf=seconds_from_now(60)),
    "issued in the future": lambda issuer: issuer.token("mallory", iat=seconds_from_now(600)),
    "another audience": lambda issuer: issuer.token("mallory", aud="someone-else"),
    "another issuer": lambda issuer: issuer.token("mallory", iss="https://elsewhere.example"),
    "no end": lambda issuer: issuer.token("mallory", exp=None),
    "no audience": lambda issuer: issuer.token("mallory", aud=None),
    "no subject": lambda issuer: issuer.token(None),
    "an end that no clock has": lambda issuer: issuer.token("mallory", exp=10**17),
    "an end in the year 9999": lambda issuer: issuer.token("mallory", exp=253_390_000_000),
    "several audiences": lambda issuer: issuer.token("mallory", aud=[AUDIENCE, "another"]),
    "several audiences, of which another may use it": lambda issuer: issuer.token(
        "mallory", aud=[AUDIENCE, "another"], azp="another"
    ),
    "an endless end": lambda issuer: issuer.token("mallory", exp=10**30),
    "a subject with a line break": lambda issuer: issuer.token("mal\nlory"),
    "a subject of another alphabet": lambda issuer: issuer.token("mаllory"),  # noqa: RUF001
    "an empty subject": lambda issuer: issuer.token(""),
    "a long subject": lambda issuer: issuer.token("m" * 201),
    "very long": lambda issuer: issuer.token("mallory", more="x" * 9_000),
    "no token": lambda _: "abc",
    "dots": lambda _: "..",
    "a header that is no object": lambda issuer: assembled(issuer, [1]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_token_that_proves_nothing_is_refused(
    installation: System, issuer: Issuer, forge: Forge
) -> None:
    with calling(installation, forge(issuer)) as client:
        refused = client.get("/me")
    assert refused.status_code == 401, refused.text
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["type"] == "urn:tocsin:problem:unauthorized"


@pytest.mark.parametrize("number", [0, 1])
def test_a_good_token_says_who_calls(installation: System, issuer: Issuer, number: int) -> None:
    token = issuer.token("ann", issuer.keys[number], exp=seconds_from_now(-10))  # clocks differ
    with calling(installation, token) as client:
        me = client.get("/me").json()
    assert (me["principal"], me["operator"], me["scopes"]) == ("user:ann", False, [])


def test_of_several_audiences_we_may_be_the_one_that_uses_it(
    installation: System, issuer: Issuer
) -> None:
    tokens = [
        issuer.token("ann", aud=[AUDIENCE, "another"], azp=AUDIENCE),
        issuer.token("ann", aud=[AUDIENCE]),
        issuer.token("ann", aud=[AUDIENCE], azp="a-client-of-ours"),
    ]
    for token in tokens:
        with calling(installation, token) as client:
            assert client.get("/me").status_code == 200


def test_an_operator_by_token_has_every_service(
    installation: System, issuer: Issuer, operator: httpx.Client, service_id: str
) -> None:
    zeros = "00000000-0000-0000-0000-000000000000"
    with calling(installation, issuer.token("root")) as root:
        assert root.get("/services").status_code == 403
    assert operator.put(f"/services/{zeros}/members/root", json={"role": "admin"}).is_success
    with calling(installation, issuer.token("root"), service_id) as root:
        assert root.get("/services").status_code == 200
        assert root.get("/audit").status_code == 200
    assert operator.delete(f"/services/{zeros}/members/root").status_code == 204


def test_a_token_ends_though_it_was_looked_up_just_now(
    installation: System, issuer: Issuer
) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    token = issuer.token("ann", exp=ends - timedelta(seconds=30))  # the skew that clocks may have
    with calling(installation, token) as client:
        while (answered := client.get("/me")).status_code == 200:
            assert datetime.now(UTC) < ends + timedelta(seconds=5)
    assert answered.status_code == 401
    assert datetime.now(UTC) >= ends


async def test_a_new_signing_key_is_fetched_and_a_withdrawn_one_refused() -> None:
    with Issuer() as issuer:
        provider = IdentityProvider(issuer.url, Patience(ask_again_seconds=0.0))
        tokens = Tokens(provider, AUDIENCE, ["ES256", "RS256"])
        old = issuer.token()
        assert (await tokens.person(old)).subject == "ann"
        issuer.keys = [SigningKey("second")]
        assert (await tokens.person(issuer.token())).subject == "ann"
        with pytest.raises(TokenRefused):
            await tokens.person(old)


async def test_however_many_keys_are_made_up_the_provider_is_asked_once() -> None:
    with Issuer() as issuer:
        tokens = Tokens(IdentityProvider(issuer.url), AUDIENCE, ["ES256"])
        for number in range(20):
            with pytest.raises(TokenRefused):
                await tokens.person(issuer.token("m", SigningKey(f"made-up-{number}")))
        assert issuer.asked == 1


async def test_while_the_provider_is_away_what_it_said_holds_for_a_while() -> None:
    with Issuer() as issuer:
        impatient = Patience(ask_again_seconds=0.0, fresh_seconds=0.0)
        provider = IdentityProvider(issuer.url, impatient)
        tokens = Tokens(provider, AUDIENCE, ["ES256"])
        issuer.down = True
        with pytest.raises(ProviderAway):
            await tokens.person(issuer.token())
        issuer.down = False
        await tokens.person(issuer.token())
        issuer.down = True
        await tokens.person(issuer.token())
        provider.patience = msgspec.structs.replace(impatient, stale_seconds=0.0)
        with pytest.raises(ProviderAway):
            await tokens.person(issuer.token())


async def test_a_provider_that_hangs_holds_up_nobody_whose_key_is_known() -> None:
    with Issuer() as issuer:
        impatient = Patience(ask_again_seconds=0.0, fresh_seconds=0.0, wait_seconds=0.2)
        tokens = Tokens(IdentityProvider(issuer.url, impatient), AUDIENCE, ["ES256"])
        await tokens.person(issuer.token())
        with issuer.hanging():
            # Of two fetches of five seconds each, one by one, before.
            async with asyncio.timeout(4):
                for _ in range(10):
                    assert (await tokens.person(issuer.token())).subject == "ann"


async def test_a_provider_that_talks_nonsense_is_away() -> None:
    for nonsense in (b"[", b"{}", b'{"keys": [1]}'):
        with Issuer() as issuer:
            issuer.nonsense = nonsense
            with pytest.raises(ProviderAway):
                await IdentityProvider(issuer.url).key("first")


async def test_a_provider_that_says_it_is_another_is_not_believed() -> None:
    with Issuer() as issuer:
        provider = IdentityProvider(issuer.url + "/")
        with pytest.raises(ProviderAway):
            await provider.key("first")


@pytest.mark.parametrize(
    "environment",
    [
        {"TOCSIN_OIDC_ISSUER": "https://id.example"},
        {"TOCSIN_OIDC_AUDIENCE": "tocsin"},
        {"TOCSIN_OIDC_ISSUER": "http://id.example", "TOCSIN_OIDC_AUDIENCE": "tocsin"},
        {"TOCSIN_OIDC_ALGORITHMS": "HS256"},
        {"TOCSIN_OIDC_ALGORITHMS": "none"},
    ],
)
def test_settings_that_would_trust_anybody_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        read_settings(environment)
