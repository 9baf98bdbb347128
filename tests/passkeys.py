"""A passkey in software: makes and shows credentials as a browser and its authenticator do (W3C Web Authentication)."""

import json
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.test import Client
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

_FLAG = AuthenticatorData.FLAG
_SHOWN = _FLAG.UP | _FLAG.UV  # the person was there, and showed finger, face or PIN


class Passkey:
    """One credential of one person at one host."""

    def __init__(self, host: str = "localhost") -> None:
        self._host = host
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(32)
        self.user_handle = ""

    def made(self, options: Mapping[str, Any]) -> str:
        """The answer to `navigator.credentials.create`, as the page posts it."""
        self.user_handle = options["publicKey"]["user"]["id"]
        public = ES256.from_cryptography_key(self._key.public_key())  # type: ignore[no-untyped-call]  # as it is there
        attested = AttestedCredentialData.create(Aaguid.NONE, self.id, public)
        about = AuthenticatorData.create(self._rp_hash(), _SHOWN | _FLAG.AT, 0, attested)
        return self._posted(
            {
                "clientDataJSON": websafe_encode(self._client_data("webauthn.create", options)),
                "attestationObject": websafe_encode(AttestationObject.create("none", about, {})),
            },
            {"credProps": {"rk": True}},
        )

    def shown(self, options: Mapping[str, Any]) -> str:
        """The answer to `navigator.credentials.get`, as the page posts it."""
        said = self._client_data("webauthn.get", options)
        about = AuthenticatorData.create(self._rp_hash(), _SHOWN, 1)
        signature = self._key.sign(about + sha256(said).digest(), ec.ECDSA(SHA256()))
        return self._posted(
            {
                "clientDataJSON": websafe_encode(said),
                "authenticatorData": websafe_encode(about),
                "signature": websafe_encode(signature),
                "userHandle": self.user_handle,
            },
            {},
        )

    def _client_data(self, kind: str, options: Mapping[str, Any]) -> bytes:
        origin = f"http://{self._host}"
        return bytes(CollectedClientData.create(kind, options["publicKey"]["challenge"], origin))

    def _rp_hash(self) -> bytes:
        return sha256(self._host.encode()).digest()

    def _posted(self, response: Mapping[str, str], extensions: Mapping[str, Any]) -> str:
        own_id = websafe_encode(self.id)
        return json.dumps(
            {
                "id": own_id,
                "rawId": own_id,
                "type": "public-key",
                "response": response,
                "clientExtensionResults": extensions,
            }
        )


def add_passkey(client: Client, host: str = "localhost") -> Passkey:
    """Have somebody who has just signed in add a passkey on their page."""
    passkey = Passkey(host)
    options = _data_on(client.get("/security/passkeys/add/").content.decode())["creation_options"]
    answer = client.post("/security/passkeys/add/", {"credential": passkey.made(options), "passwordless": "on"})
    assert answer.status_code == 302, answer.content
    return passkey


def sign_in_with(client: Client, passkey: Passkey) -> str:
    """Show it at the door; says where that leads."""
    asked = client.get("/sign-in/passkey/", headers={"accept": "application/json"}).json()["request_options"]
    return str(client.post("/sign-in/passkey/", {"credential": passkey.shown(asked)})["Location"])


def confirm_with(client: Client, passkey: Passkey, back_to: str) -> str:
    """Show it where it is asked for once more; says where that leads."""
    page = client.get(f"/confirm/passkey/?next={back_to}").content.decode()
    shown = passkey.shown(_data_on(page)["request_options"])
    return str(client.post("/confirm/passkey/", {"credential": shown, "next": back_to})["Location"])


def _data_on(page: str) -> dict[str, Any]:
    text = page.partition('<script id="passkey-data" type="application/json">')[2].partition("</script>")[0]
    found: dict[str, Any] = json.loads(text)
    return found
