"""Somebody else's OpenID Connect provider, in a process of its own, and a browser that signs in there."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from django.http import HttpResponseBase
from django.test import Client

from tests.servers import free_port

PROVIDER_ID = "lindwerk-shop"
NAME = "your Lindwerk shop account"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenId:
    """The provider at its address."""

    issuer: str

    def knows(self, sub: str, claims: Mapping[str, object]) -> None:
        """Somebody has an account there."""
        body, kind = json.dumps({**claims}), {"Content-Type": "application/json"}
        requests.put(f"{self.issuer}/users/{sub}", data=body, headers=kind, timeout=10).raise_for_status()

    def configured(self, folder: Path, *, controller: str = "lindwerk", secret: str = "a secret") -> str:
        """The path of a file that names it as a provider of this controller."""
        path = folder / "providers.toml"
        path.write_text(
            f'[[provider]]\ncontroller = "{controller}"\nid = "{PROVIDER_ID}"\nname = "{NAME}"\n'
            f'issuer = "{self.issuer}"\nclient_id = "privacy"\nclient_secret = "{secret}"\n'
        )
        return str(path)


@contextmanager
def openid_provider() -> Iterator[OpenId]:
    """Run one until the end of the block."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        provider = OpenId(issuer=f"http://localhost:{port}")
        _wait_for(provider.issuer)
        yield provider
    finally:
        process.terminate()
        process.wait(10)


def begin(client: Client) -> HttpResponseBase:
    """Press the button of the provider."""
    return client.post(f"/sign-in/with/{PROVIDER_ID}/")


def come_back(asked: HttpResponseBase, sub: str) -> str:
    """Sign in there as somebody; says to which page of ours that leads back."""
    there = requests.post(asked["Location"], data={"sub": sub}, allow_redirects=False, timeout=10)
    back = urlsplit(there.headers["Location"])
    return f"{back.path}?{back.query}"


def return_from(client: Client, sub: str) -> HttpResponseBase:
    """Press the button, sign in there as somebody, and come back."""
    return client.get(come_back(begin(client), sub))


def _wait_for(issuer: str) -> None:
    for _ in range(200):
        try:
            requests.get(f"{issuer}/.well-known/openid-configuration", timeout=1).raise_for_status()
        except requests.RequestException:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(issuer)


def staff_by(provider: OpenId, folder: Path, *, second_factor: str = "provider") -> str:
    """The path of a file that names it as the provider of Lindwerk's staff."""
    path = folder / f"staff-{second_factor}.toml"
    path.write_text(
        Path(provider.configured(folder)).read_text()
        + f'[provider.staff]\ngroups_claim = "groups"\nsecond_factor = "{second_factor}"\n'
        + 'roles = { "officers" = "dpo", "helpers" = "support_agent" }\nscopes = ["profile"]\n'
    )
    return str(path)
