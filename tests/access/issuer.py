"""A real OpenID provider on this host: discovery, keys that rotate, and tokens signed with them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "tocsin"


class SigningKey:
    """A private key and what the provider publishes of it."""

    def __init__(self, key_id: str, algorithm: str = "ES256") -> None:
        self.id = key_id
        self.algorithm = algorithm
        if algorithm == "ES256":
            self.private: Any = generate_private_key(SECP256R1())
            public = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = generate_rsa(public_exponent=65537, key_size=2048)
            public = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        self.jwk = {**public, "kid": key_id, "alg": algorithm, "use": "sig"}


class Issuer:
    """Serves while the block lasts.

    Attributes:
        keys: What it publishes; the first signs.
        asked: How often its keys were fetched.
        down: Whether it answers 503.
        nonsense: What it says in place of its keys.
    """

    def __init__(self) -> None:
        self.keys = [SigningKey("first"), SigningKey("rsa", "RS256")]
        self.asked = 0
        self.down = False
        self.nonsense: bytes | None = None
        self._going_on = threading.Event()
        self._going_on.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def token(
        self, subject: str | None = "ann", key: SigningKey | None = None, **claims: Any
    ) -> str:
        """A token; a claim that is None is left out."""
        key = key or self.keys[0]
        return jwt.encode(
            self.claims(subject, **claims),
            key.private,
            algorithm=key.algorithm,
            headers={"kid": key.id},
        )

    def claims(self, subject: str | None = "ann", **claims: Any) -> dict[str, Any]:
        """What a token of a person says, unless told otherwise."""
        now = datetime.now(UTC)
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + timedelta(minutes=5),
            **claims,
        }
        return {name: value for name, value in said.items() if value is not None}

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections, and answers nothing until the block ends."""
        self._going_on.clear()
        try:
            yield
        finally:
            self._going_on.set()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self._going_on.wait()
        if request.path == "/.well-known/openid-configuration":
            body: Any = {"issuer": self.url, "jwks_uri": self.url + "/keys"}
        else:
            self.asked += 1
            body = {"keys": [key.jwk for key in self.keys]}
        content = json.dumps(body).encode()
        if self.nonsense is not None and request.path == "/keys":
            content = self.nonsense
        request.send_response(503 if self.down else 200)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
