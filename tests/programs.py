"""Programs that call the API with a token."""

from base64 import b64encode
from collections.abc import Collection

from django.test import Client

from identity_privacy.access.models import ApiClient, Controller
from identity_privacy.access.services import create_api_client
from identity_privacy.access.services.programs import NewSecret
from identity_privacy.access.terms import Permission, Role
from tests.factories import SERVICE

TOKEN = "/api/v1/oauth/token/"


def make_program(controller: Controller, code: str = "shop", *, scopes: Collection[Permission] = ()) -> NewSecret:
    return create_api_client(actor=SERVICE, controller=controller, code=code, role=Role.API_READER, scopes=scopes)


def token_for(made: NewSecret, *, host: str = "localhost", **more: str) -> str:
    """A token that its secret brings, by the way that RFC 6749 recommends."""
    basic = b64encode(f"{made.client_id}:{made.secret}".encode()).decode()
    form = {"grant_type": "client_credentials", **more}
    answer = Client(headers={"host": host, "authorization": f"Basic {basic}"}).post(TOKEN, form)
    assert answer.status_code == 200, answer.content
    return str(answer.json()["access_token"])


def with_token(token: str, *, host: str = "localhost") -> Client:
    return Client(headers={"host": host, "authorization": f"Bearer {token}"})


def program(controller: Controller, *, host: str = "localhost", scopes: Collection[Permission] = ()) -> Client:
    """One of this controller's, with a token."""
    made = make_program(controller, f"program-{ApiClient.objects.count()}", scopes=scopes)
    return with_token(token_for(made, host=host), host=host)
