"""The worker's loop: claim what is due, send it side by side, write back each as it comes, until nothing is due."""

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from asgiref.sync import async_to_sync, sync_to_async

from identity_privacy import clock, http
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.services.claiming import claim_due
from identity_privacy.delivery.services.outbox import DELIVER
from identity_privacy.delivery.services.sending import MailParcel, Report, WebhookParcel, prepare, send
from identity_privacy.delivery.services.settling import settle
from identity_privacy.delivery.services.systems import calling_policy
from identity_privacy.waking import wake

SENDERS = 64
# A retry that is due sooner than this gets a wake-up of its own; later ones are the sweep's.
SOON = timedelta(seconds=60)


class _Drain:
    """One drain per process: a wake-up during it makes it look again instead of starting a second one."""

    def __init__(self) -> None:
        self._running = threading.Lock()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._nudge: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._woken_at: datetime | None = None

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> int:
        settled = 0
        self._wanted.set()
        if nudge := self._nudge:
            with suppress(RuntimeError):  # the loop ended meanwhile; whoever ran it looks at `_wanted` once more
                nudge[0].call_soon_threadsafe(nudge[1].set)
        # Looked at again after the lock is free: a wake-up that came in between would be lost until the sweep.
        while self._wanted.is_set() and not self._stopping.is_set() and self._running.acquire(blocking=False):
            try:
                # The database is asked in this thread, whose connection it is; the loop that sends has its own.
                settled += async_to_sync(self._loop)()
                self._wake_for_retries()
            finally:
                self._nudge = None
                self._running.release()
        return settled

    async def _loop(self) -> int:
        nudged, settled = asyncio.Event(), 0
        self._nudge = (asyncio.get_running_loop(), nudged)
        sending: dict[asyncio.Task[Report], Message] = {}
        retries: list[datetime] = []
        async with http.Client(calling_policy(), connections=SENDERS) as client:
            while True:
                nudged.clear()
                self._wanted.clear()
                now = clock.now()
                if len(sending) <= SENDERS // 2 and not self._stopping.is_set():
                    load = Counter(message.system_id for message in sending.values())
                    for parcel in await sync_to_async(_claim)(SENDERS - len(sending), load):
                        sending[asyncio.create_task(send(client, parcel))] = parcel.message
                if not sending:
                    return settled
                retries = [at for at in retries if now < at < now + SOON]
                done = await _first(sending, nudged, retries)
                retries += await sync_to_async(_settle)([task.result() for task in done])
                settled += len(done)
                for task in done:
                    del sending[task]

    def _wake_for_retries(self) -> None:
        # At most one such wake-up is under way for a process, or each drain would beget another for ever.
        now = clock.now()
        due = Message.objects.pending().filter(due_at__gt=now, due_at__lte=now + SOON).order_by("due_at")
        soonest = due.values_list("due_at", flat=True).first()
        if soonest is None or (self._woken_at is not None and now < self._woken_at <= soonest):
            return
        self._woken_at = soonest
        wake(DELIVER, countdown=(soonest - now).total_seconds())


_drain = _Drain()


def deliver_due() -> int:
    """Deliver all that is due, and say how many tries were made; safe to call from any number of workers at once.

    Called while a drain runs in this process it only makes that one look again, and returns 0.
    """
    return _drain.run()


def stop_claiming() -> None:
    """Let this process finish what is in flight and take no more; what is due stays due, for others."""
    _drain.stop()


def _claim(limit: int, load: Counter[UUID | None]) -> Sequence[WebhookParcel | MailParcel | Report]:
    return prepare(claim_due(limit, busy=load))


def _settle(reports: Sequence[Report]) -> Sequence[datetime]:
    return [again for report in reports if (again := settle(report)) is not None]


async def _first(
    sending: dict[asyncio.Task[Report], Message], nudged: asyncio.Event, retries: Sequence[datetime]
) -> set[asyncio.Task[Report]]:
    # Ends with the first answer, a wake-up, or the time of a retry, so that a slow receiver holds up no other.
    timeout = (min(retries) - clock.now()).total_seconds() if retries else None
    wake_up = asyncio.create_task(nudged.wait())
    done, _ = await asyncio.wait({*sending, wake_up}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    wake_up.cancel()
    return {task for task in sending if task in done}
