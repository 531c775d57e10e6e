"""`/services/{service_id}/signing-secrets`."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import FromPath, JSONBody

from app.requests.access import Access
from app.requests.request import ServiceRequest
from app.responses.problems import problems
from app.schemas.secrets import SigningSecretPage, SigningSecretResource, SigningSecretRotationBody
from commands.secrets.rotate_signing_secret import RotateSigningSecret, rotate_signing_secret
from domain.durations import duration_of
from queries.secrets.list_signing_secrets import ListSigningSecrets, list_signing_secrets


class SigningSecretController(Controller):
    """What a service's deliveries are signed with, as Standard Webhooks has it."""

    path = "/services/{service_id:uuid}/signing-secrets"
    tags = ("Secrets",)

    @get(
        operation_id="listSigningSecrets",
        needs=Access.ADMIN,
        summary="List the live signing secrets, without their text",
        responses=problems(404),
    )
    async def page(self, service_id: FromPath[UUID], request: ServiceRequest) -> SigningSecretPage:
        query = ListSigningSecrets(caller=request.caller, now=datetime.now(UTC))
        secrets = await list_signing_secrets(query, request.shards)
        return SigningSecretPage(
            items=[SigningSecretResource.of(secret) for secret in secrets], next_cursor=None
        )

    @post(
        "/rotate",
        operation_id="rotateSigningSecret",
        needs=Access.ADMIN,
        summary="Make a new signing secret: it is told only now, the old one ends soon",
        responses=problems(404, 409),
    )
    async def rotate(
        self,
        service_id: FromPath[UUID],
        request: ServiceRequest,
        data: JSONBody[SigningSecretRotationBody | None] = None,
    ) -> Response[SigningSecretResource]:
        body = data or SigningSecretRotationBody()
        command = RotateSigningSecret(
            caller=request.caller,
            overlap=duration_of(body.overlap, "/overlap"),
            now=datetime.now(UTC),
        )
        secret, text = await rotate_signing_secret(command, request.shards)
        return Response(SigningSecretResource.of(secret, text), status_code=201)
