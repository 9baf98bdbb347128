"""Run inside the service's settings: `systems PORT…` links systems and prints their secrets; `messages N` enqueues."""

import json
import sys
from uuid import uuid4

import django
from django.db import transaction


def systems(ports: list[str]) -> None:
    controller = make_controller()
    made = [make_system(controller, f"http://127.0.0.1:{port}/", f"partner{port}") for port in ports]
    sys.stdout.write(json.dumps([secrets_of(system) for system in made]))


def messages(count: int) -> None:
    from identity_privacy.delivery.models import System

    receivers = list(System.objects.order_by("code"))
    key = make_key(receivers[0].controller)
    for _ in range(count):
        with transaction.atomic():  # one change, with its message to every system
            body = {"type": "test.effect", "number": str(uuid4())}
            for system in receivers:
                make_message(system, topic="test.effect", body=body, key=key)


if __name__ == "__main__":
    django.setup()
    from tests.delivery.world import make_controller, make_key, make_message, make_system, secrets_of

    if sys.argv[1] == "systems":
        systems(sys.argv[2:])
    else:
        messages(int(sys.argv[2]))
