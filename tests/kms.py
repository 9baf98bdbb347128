"""Key management services to test against, over real HTTP: a stand-in for Vault, and a gate in front of moto's AWS KMS.

The stand-in speaks what Vault's transit engine documents of encrypt, decrypt and rotate, with its errors (400 for
ciphertext that does not open, 403, 404); a real Vault could not be had where the tests run. Both count what they are
asked, and can be told to give another answer, to be slow, or to be gone.
"""

import base64
import contextlib
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Reply = tuple[int, bytes]


class Service(Protocol):
    """Answers one POST; counts it."""

    asked: list[str]
    instead: Reply | None
    delay_seconds: float

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply: ...


@contextlib.contextmanager
def listening(service: Service, certificate: Path | None = None) -> Iterator[int]:
    """Serve on a free port of this machine until the end of the block; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            service.asked.append(headers.get("x-amz-target", self.path))
            time.sleep(service.delay_seconds)
            status, content = service.instead or service.answer(self.path, headers, body)
            with contextlib.suppress(OSError):  # who asked may have given up
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_PUT = do_POST

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that does not trust the certificate hangs up

    with Server(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trust.load_cert_chain(certificate)
            server.socket = trust.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Vault:
    """The stand-in for Vault's transit engine, mounted at `transit`."""

    token: str = "s.the-token"
    # Each key's versions, oldest first.
    keys: dict[str, list[bytes]] = field(default_factory=dict)
    min_decryption_version: int = 1
    asked: list[str] = field(default_factory=list)
    namespaces: set[str] = field(default_factory=set)
    instead: Reply | None = None
    delay_seconds: float = 0

    def make_key(self, name: str) -> None:
        """As an operator does: `vault write -f transit/keys/<name>`; again, it makes a newer version."""
        self.keys.setdefault(name, []).append(os.urandom(32))

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.namespaces.add(headers.get("x-vault-namespace", ""))
        if headers.get("x-vault-token") != self.token:
            return _errors(403, "permission denied")
        match path.split("/"):
            case ["", "v1", "transit", "keys", name, "rotate"]:
                self.make_key(name)
                return 204, b""
            case ["", "v1", "transit", "encrypt" | "decrypt" as what, name]:
                if name not in self.keys:
                    return _errors(400, "encryption key not found")
                fields = json.loads(body)
                seal = self._encrypted if what == "encrypt" else self._decrypted
                return seal(self.keys[name], fields)
        return _errors(404, f"no handler for route {path!r}")

    def _encrypted(self, versions: list[bytes], fields: Mapping[str, str]) -> Reply:
        nonce, context = os.urandom(12), base64.b64decode(fields["associated_data"])
        sealed = nonce + AESGCM(versions[-1]).encrypt(nonce, base64.b64decode(fields["plaintext"]), context)
        text = f"vault:v{len(versions)}:{base64.b64encode(sealed).decode()}"
        return _data({"ciphertext": text, "key_version": len(versions)})

    def _decrypted(self, versions: list[bytes], fields: Mapping[str, str]) -> Reply:
        prefix, _, encoded = fields["ciphertext"].rpartition(":")
        if not prefix.startswith("vault:v"):
            return _errors(400, "invalid ciphertext: no prefix")
        version = int(prefix.removeprefix("vault:v"))
        if version > len(versions):
            return _errors(400, "invalid ciphertext: version is too new")
        if version < self.min_decryption_version:
            return _errors(400, "ciphertext or signature version is disallowed by policy (too old)")
        sealed, context = base64.b64decode(encoded), base64.b64decode(fields["associated_data"])
        try:
            plaintext = AESGCM(versions[version - 1]).decrypt(sealed[:12], sealed[12:], context)
        except InvalidTag:
            return _errors(400, "cipher: message authentication failed")
        return _data({"plaintext": base64.b64encode(plaintext).decode()})


@dataclass
class Gate:
    """Stands in front of a real server, counts what passes, and answers in its stead when told to."""

    upstream: str
    asked: list[str] = field(default_factory=list)
    instead: Reply | None = None
    delay_seconds: float = 0

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        connection = HTTPConnection(urlsplit(self.upstream).netloc, timeout=30)
        try:
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _data(content: Mapping[str, object]) -> Reply:
    return 200, json.dumps({"request_id": "1", "data": content, "warnings": None}).encode()


def _errors(status: int, *reasons: str) -> Reply:
    return status, json.dumps({"errors": list(reasons)}).encode()
