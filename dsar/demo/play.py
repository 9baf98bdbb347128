"""The demonstration, from an empty folder to a verified certificate."""

import base64
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from os.path import relpath
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from dsar.demo import proof, stage
from dsar.demo.environment import FOLDER, folder_of, mail_url, remember
from dsar.demo.processes import Processes, free_port, wait_for
from dsar.demo.search import Search, Wanted, encoded
from dsar.demo.show import Screen, closing_rows, follow
from dsar.models import SubjectRequest
from dsar.packages import package_path
from dsar.services import accept_request, submit_request
from dsar.services.fulfilment import reading_of
from dsar.terms import Channel, RequestKind, RequestState
from identity_privacy.access.models import Controller
from identity_privacy.audit import offline
from identity_privacy.crypto.signing import current_public_key
from identity_privacy.crypto.terms import SigningUse
from profiles.rules import Row, read_csv

# Two people of the sample: one asks for a copy, the other to be erased.
ASKS_FOR_A_COPY = "rec-122-org"
ASKS_TO_BE_ERASED = "rec-223-org"
DAYS_FORWARD = 31
BEFORE = "before-the-erasure"


def play(screen: Screen) -> None:
    """Everything, in order. Raises: CommandError, with the reason, where something is not as promised."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    screen.step("A fresh service: databases, root key, a controller, three linked systems")
    controller, password = stage.set_up()
    for partner in stage.PARTNERS:
        screen.line(f"  {partner.name:<12} {partner.how_it_behaves}")

    screen.step("People, each encrypted under a key of their own")
    report = stage.import_people(controller)
    screen.line(f"  {report.created} people imported, {len(report.rejected)} rows rejected")
    again = stage.import_people(controller)
    if again.created:
        raise CommandError(f"importing the same file again made {again.created} people")
    screen.line(f"  the same file again: nothing new, {again.known} known already")
    screen.line(f"  {stage.record_choices(controller)} choices recorded for three uses of their data")

    mailbox, port = Path(tempfile.mkdtemp(prefix="demo-mail-")), free_port()
    extra = {"PUBLIC_URL": f"http://127.0.0.1:{port}", "EMAIL_URL": mail_url(mailbox)}
    with Processes(extra, mailbox=mailbox) as processes:
        requests = _requests(screen, controller, processes, port)
        letters = len(list(mailbox.iterdir()))
        screen.line(
            f"  {letters} e-mails told the two people; their mailbox lies outside of the service and goes with it"
        )
        _hand_out(screen, requests, password)
        _verify_offline(screen, requests)
        _prove_erasure(screen, requests[1])
        # While everything still runs, so that write-ahead logs and the broker's folder are there to be searched.
        _search(screen)
    screen.step("What every system did")
    screen.table(
        ("request", "system", "attempts", "outcome", "evidence", "answered after"),
        closing_rows([request.id for request in requests]),
    )
    screen.line()
    screen.line(f"  access package, still sealed: {relpath(package_path(requests[0]))}  (make demo-open)")
    screen.line(f"  certificates, log and keys:   {relpath(folder_of('handed-out'))}/")
    screen.line("  next: make run")


def _requests(screen: Screen, controller: Controller, processes: Processes, port: int) -> list[SubjectRequest]:
    """Two requests, carried out by real processes, and the re-check a month later."""

    def alive() -> None:
        if name := processes.dead():
            raise CommandError(f"{name} ended by itself; see {FOLDER / 'logs' / name}.log")

    screen.step("Web, worker, beat and the three linked systems start, a process each")
    stage.start_partners(processes, controller)
    processes.start_web(port)
    processes.start_worker()
    wait_for(port)

    screen.step("A copy of data and keys is put aside; then one person asks for a copy, another to be erased")
    _put_aside(controller)
    ids = [
        _submit(controller, ASKS_FOR_A_COPY, RequestKind.ACCESS),
        _submit(controller, ASKS_TO_BE_ERASED, RequestKind.ERASURE),
    ]
    follow(screen, ids, until=frozenset({RequestState.ANSWERED}), alive=alive, seconds=30)
    _wait_for_certificates(screen, ids, alive, "certificate")

    screen.step(f"The clock moves {DAYS_FORWARD} days forward, for every process of the service: the re-check is due")
    for name in ("worker", "beat", "web"):
        processes.stop(name)
    moved = int(timedelta(days=DAYS_FORWARD).total_seconds())
    settings.CLOCK_OFFSET_SECONDS = moved  # this process goes along
    processes.start_web(port, CLOCK_OFFSET_SECONDS=str(moved))
    processes.start_worker(CLOCK_OFFSET_SECONDS=str(moved))
    wait_for(port)
    follow(screen, ids[1:], until=frozenset({RequestState.CLOSED}), alive=alive, seconds=30)
    _wait_for_certificates(screen, ids[1:], alive, "supplement")
    return [SubjectRequest.objects.select_related("controller").get(id=request_id) for request_id in ids]


def _put_aside(controller: Controller) -> None:
    for name in ("data.sqlite3", "keys.sqlite3"):
        proof.copy_database(FOLDER / name, folder_of(BEFORE) / name)
    subject_id = stage.person_of(controller, ASKS_TO_BE_ERASED)
    keys = [str(key_id) for key_id in proof.keys_of(subject_id)]
    (folder_of(BEFORE) / "key-ids.json").write_text(json.dumps(keys))


def _submit(controller: Controller, record_id: str, kind: RequestKind) -> UUID:
    subject_id = stage.person_of(controller, record_id)
    values = next(row.values for row in _sample_rows() if row.values["rec_id"] == record_id)
    request = submit_request(
        actor=stage.DEMO,
        controller=controller,
        subject_id=subject_id,
        kind=kind,
        channel=Channel.COMMAND,
        contact_email=stage.address_of(values),
    )
    accept_request(actor=stage.DEMO, request=request)
    return request.id


def _wait_for_certificates(screen: Screen, ids: Sequence[UUID], alive: Callable[[], None], which: str) -> None:
    until = time.monotonic() + 20
    while SubjectRequest.objects.filter(id__in=ids, **{f"{which}__isnull": True}).exists():
        alive()
        if time.monotonic() > until:
            raise CommandError(f"no {which} after 20 s; see {FOLDER / 'logs'}")
        time.sleep(0.1)
    screen.line(f"  {which} signed")


def _hand_out(screen: Screen, requests: Sequence[SubjectRequest], password: str) -> None:
    """What leaves the service: certificates, the log, the published keys; and the sign-ins of `make run`."""
    folder = folder_of("handed-out")
    call_command("audit", "export", folder, verbosity=0, stdout=io.StringIO())  # first: it takes an empty folder alone
    for request in requests:
        with reading_of(request, "hand out the certificate"):
            for name, document in (("certificate", request.certificate), ("supplement", request.supplement)):
                if document is not None:
                    path = folder / f"{request.get_kind_display().split()[0].lower()}-{name}-{request.reference}.json"
                    path.write_text(json.dumps(document, indent=1, ensure_ascii=False))
    certificate_key, log_key = _pinned_keys()
    (folder / "pinned-keys.txt").write_text(f"--key {certificate_key}\n--log-key {log_key}\n")
    remember(staff=stage.STAFF, password=password, clock_offset_seconds=settings.CLOCK_OFFSET_SECONDS)
    screen.step("Verified offline, against the pinned keys, by a program that needs no database")


def _pinned_keys() -> list[str]:
    uses = (SigningUse.CERTIFICATE, SigningUse.CHECKPOINT)
    return [base64.b64encode(current_public_key(use).public_key).decode() for use in uses]


def _verify_offline(screen: Screen, requests: Sequence[SubjectRequest]) -> None:
    """Run the stand-alone verifier on what was handed out, and on a changed copy, which it must refuse."""
    folder = folder_of("handed-out")
    certificate_key, log_key = _pinned_keys()
    log_keys = ["--log-key", log_key]
    keys = ["--key", certificate_key, *log_keys]
    certificates = sorted(folder.glob(f"*-{requests[1].reference}.json"))
    for path in certificates:
        _run_verifier(screen, ["certificate", str(path), *keys], expected=0)
    _run_verifier(screen, ["log", str(folder / "log.jsonl"), str(folder / "checkpoint"), *log_keys], expected=0)
    with tempfile.TemporaryDirectory() as scratch:
        forged = Path(scratch) / "forged.json"
        forged.write_text(certificates[0].read_text().replace('"nothing_found"', '"done"').replace("T", "t", 1))
        _run_verifier(screen, ["certificate", str(forged), *keys], expected=1)


def _run_verifier(screen: Screen, arguments: Sequence[str], *, expected: int) -> None:
    command = [sys.executable, "-I", str(Path(offline.__file__)), *arguments]
    with tempfile.TemporaryDirectory() as empty:  # no settings, no database, no code of ours in reach
        ran = subprocess.run(command, cwd=empty, env={}, capture_output=True, text=True, check=False)
    name = Path(arguments[1]).name
    screen.line(f"  {name}" if expected == 0 else f"  {name}, one letter changed: must be refused")
    screen.quote(ran.stdout + ran.stderr)
    if ran.returncode != expected:
        raise CommandError(f"verifying {name} ended with {ran.returncode} instead of {expected}")


def _prove_erasure(screen: Screen, request: SubjectRequest) -> None:
    """Every living key on every value, live and in the copy: only the erased person's open with none."""
    screen.step("The erased person's values no longer open: every living key is tried on every value")
    before = folder_of(BEFORE)
    key_ids = [UUID(key) for key in json.loads((before / "key-ids.json").read_text())]
    living, live, copied = (
        proof.living_keys(),
        proof.values_of(FOLDER / "data.sqlite3"),
        proof.values_of(before / "data.sqlite3"),
    )
    closed_live = proof.that_open_with_none(live, living)
    closed_copied = proof.that_open_with_none(copied, living)
    theirs = [value for value in copied if value.key_id in key_ids]
    closed_then = proof.that_open_with_none(theirs, proof.keys_in_copy(before / "keys.sqlite3", key_ids))
    rows = (
        ("the live database", len(live), f"{len(living):,} living", len(closed_live)),
        ("a copy of the data made before", len(copied), f"{len(living):,} living", len(closed_copied)),
        ("of that copy, the erased person's", len(theirs), f"{len(key_ids)} of then", len(closed_then)),
    )
    screen.table(
        ("values of", "values", "keys", "opened", "closed for ever"),
        [(where, f"{all_:,}", keys, f"{all_ - closed:,}", f"{closed:,}") for where, all_, keys, closed in rows],
    )
    if closed_live:
        raise CommandError("the live database holds a value that no living key opens")
    if not theirs or closed_copied != theirs:
        raise CommandError("what no living key opens is not exactly what was the erased person's")
    if closed_then:
        raise CommandError("the copy does not open with its own keys: this check could not have failed")
    screen.line("  what no living key opens in the copy is exactly what was the erased person's")
    for path in before.glob("keys.sqlite3*"):
        path.unlink()
    ends_on = f"{request.keys_backup_ends_on:%d %B %Y}"
    screen.line(
        f"  the copy of the keys is deleted; the person was told that the last backup of their key ends on {ends_on}"
    )


def _search(screen: Screen) -> None:
    """Look for everybody's name, e-mail and number in all bytes that the service has on disk."""
    screen.step("No name, e-mail or social security number of anybody stands in clear")
    wanted = [one for row in _sample_rows() for one in _wanted(row)]
    search = Search(wanted)
    found = list(search.files_below(FOLDER))
    summary = f"{search.files} files, {search.searched_bytes / 1e6:.1f} MB"
    planted = [(one, form) for one in wanted[:3] for _, form in encoded(one.text)]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "planted"
        path.write_bytes(b"".join(b"\x00" * 99 + form for _, form in planted))
        seen = {place.offset for place in search.file(path)}
    for place in found[:20]:
        screen.line(f"  IN CLEAR: {place.path.relative_to(FOLDER)} at byte {place.offset} as {place.encoding}")
    if found:
        raise CommandError(f"{len(found)} personal values stand in clear")
    if len(seen) < len(planted):
        raise CommandError(f"of {len(planted)} planted values the search found {len(seen)}: it could not have failed")
    screen.line(f"  {len(wanted):,} values, each in UTF-8, UTF-16, base64 and hex, looked for in {summary}: none found")
    screen.line(f"  the same search over a file where {len(planted)} were planted, in every encoding: all found")


def _wanted(row: Row) -> Iterator[Wanted]:
    given, last = row.values["given_name"].strip(), row.values["surname"].strip()
    if given and last:
        yield Wanted(text=f"{given} {last}")
    yield Wanted(text=stage.address_of(row.values))
    if number := row.values["soc_sec_id"].strip():
        yield Wanted(text=number, is_number=True)


def _sample_rows() -> Iterator[Row]:
    with stage.sample().open(encoding="utf-8", newline="") as lines:
        yield from (row for row in read_csv(lines) if isinstance(row, Row))
