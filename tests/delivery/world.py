"""What delivery's tests stand on: a controller, systems that really listen, and messages to them."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID, uuid4

from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.services import enqueue, register_system
from identity_privacy.delivery.terms import Priority, SystemKind

DANA = Actor.service("test")


def make_controller(code: str = "linden") -> Controller:
    return Controller.objects.create(
        code=code, name="Linden", host=f"{code}.example", country="DE", privacy_email=f"privacy@{code}.example"
    )


def make_system(controller: Controller, endpoint: str, code: str = "shop", **more: str) -> System:
    return register_system(
        actor=DANA,
        controller=controller,
        code=code,
        name=code.title(),
        kind=SystemKind.WEBHOOK,
        endpoint=endpoint,
        **more,  # type: ignore[arg-type]  # texts only
    )


def make_key(controller: Controller, subject_id: UUID | None = None) -> UUID:
    owner = subject_id or uuid4()
    return create_data_key(
        kind=KeyKind.PROFILE, controller_id=controller.id, owner_id=owner, subject_id=subject_id or owner
    )


def make_message(
    system: System,
    *,
    topic: str = "task.erase",
    body: Mapping[str, object] | None = None,
    key: UUID | None = None,
    priority: Priority = Priority.LEGAL,
) -> Message:
    return enqueue(
        controller_id=system.controller_id,
        topic=topic,
        body=body or {"type": topic, "accounts": ["alice-17"]},
        data_key_id=key or make_key(system.controller),
        system=system,
        priority=priority,
    )


def secrets_of(system: System) -> tuple[str, str]:
    system = System.objects.get(id=system.id)
    with Reading(actor=DANA, purpose="hand over", subject_id=None, reason="test"):
        return system.outbound_secret, system.inbound_secret


@dataclass
class Reply:
    """What a receiver answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 0


@dataclass
class Receiver:
    """A real HTTP server; `replies` are given in turn, the last one for ever."""

    url: str = ""
    replies: list[Reply] = field(default_factory=lambda: [Reply()])
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def bodies(self) -> list[Mapping[str, object]]:
        return [json.loads(body) for _, body in self.requests]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.requests]


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # the default of 5 makes the 6th connection wait a second
    daemon_threads = True


@contextmanager
def listening(*replies: Reply) -> Iterator[Receiver]:
    receiver = Receiver(replies=list(replies) or [Reply()])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            reply = receiver.replies.pop(0) if len(receiver.replies) > 1 else receiver.replies[0]
            time.sleep(reply.wait_seconds)
            receiver.times.append(time.monotonic())
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hooks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
