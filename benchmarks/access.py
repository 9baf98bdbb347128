"""Signing in: how long asking for a code takes, for an address that is known and for one that is not."""

import time
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from django.db import connection
from django.test import Client, override_settings

from benchmarks.harness import Gap, Measured
from profiles.models import Profile
from tests.factories import make_controller, make_person

# Each address is asked for once, so that none has a code that is alive.
_MOST: Final = 1_000

Part: TypeAlias = Callable[[int, int], Iterator[Measured]]


def asking(rows: int, rounds: int) -> Iterator[Measured]:
    """Ask for a code over HTTP, as the page does, by turns for a person's address and for nobody's."""
    del rounds
    controller = make_controller(host="localhost")
    people = Profile.objects.filter(controller=controller).count()
    for number in range(people, rows):
        make_person(controller, email=f"person{number}@example.org", given_name="somebody")
    calls = min(rows, _MOST)
    known = [f"person{number}@example.org" for number in range(calls)]
    unknown = [f"nobody{number}@example.org" for number in range(calls)]
    took: dict[str, list[float]] = {"known": [], "unknown": []}
    with override_settings(ALLOWED_HOSTS=["localhost"]):
        for number, pair in enumerate(zip(known, unknown, strict=True)):
            turns = list(zip(took, pair, strict=True))
            for name, email in turns if number % 2 else reversed(turns):
                took[name].append(_asked(number, email))
    suffix = "" if connection.vendor == "postgresql" else f"_{connection.vendor}"
    yield Gap(name=f"known_vs_unknown_address_gap{suffix}", ours=took["known"], baseline=took["unknown"])


def _asked(number: int, email: str) -> float:
    # From an address of their own, or the limit for each network would answer.
    client = Client(headers={"host": "localhost"}, REMOTE_ADDR=f"10.{number // 256}.{number % 256}.{len(email)}")
    started = time.perf_counter()
    answer = client.post("/sign-in/", {"email": email})
    seconds = time.perf_counter() - started
    if answer.status_code != 302:
        raise RuntimeError(f"the sign-in answered {answer.status_code}")
    return seconds


PARTS = {"asking": asking}
