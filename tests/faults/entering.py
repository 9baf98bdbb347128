"""Run in the service's settings until killed: `write FILE`, which notes each committed entry there, or `sequence`."""

import os
import sys
import time
from uuid import uuid4

import django
from django.db import transaction


def write(path: str) -> None:
    with open(path, "a", encoding="ascii") as noted:
        while True:
            target = uuid4()
            with transaction.atomic():
                for _ in range(3):
                    record(actor=SERVICE, action="test.done", target=("thing", target), controller_id=None)
            # Committed: from here on it must not be lost.
            noted.write(f"{target}\n")
            noted.flush()
            os.fsync(noted.fileno())


def sequence_for_ever() -> None:
    while True:
        sequence()
        time.sleep(0.05)


if __name__ == "__main__":
    django.setup()
    from identity_privacy.audit.services import record, sequence
    from tests.factories import SERVICE

    if sys.argv[1] == "write":
        write(sys.argv[2])
    else:
        sequence_for_ever()
