"""`manage.py keys init|status|rotate-root|rotate-kek|rotate-dek|rotate-index|destroy|sweep`."""

import signal
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import NoReturn
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count
from tqdm import tqdm

from identity_privacy.crypto.controller_keys import make_root_key
from identity_privacy.crypto.destruction import (
    destroy_owner_keys,
    destroy_subject_keys,
    last_backup_ends_on,
    request_keys,
)
from identity_privacy.crypto.errors import (
    ColumnsUnknown,
    IndexCannotRotate,
    NotForgotten,
    RootKeyUnavailable,
    RotationRuns,
    WritersStillRun,
)
from identity_privacy.crypto.events import KeyEvent, tell
from identity_privacy.crypto.providers import root_key_path
from identity_privacy.crypto.rotation import (
    Outcome,
    Plan,
    Progress,
    Whose,
    plan_dek,
    plan_index,
    plan_kek,
    plan_root,
    rotate_dek,
    rotate_index,
    rotate_kek,
    rotate_root,
)
from identity_privacy.crypto.standing import standing
from identity_privacy.crypto.sweeping import plan_sweep, sweep_orphans
from identity_privacy.crypto.terms import KeyKind

Options = dict[str, object]


class Command(BaseCommand):
    """The root key and what hangs on it."""

    help = "Make, show, rotate and destroy keys. Each verb may be stopped at any moment and started again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand each."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("init", help="Make the root key's file, unless there is one")
        verbs.add_parser("status", help="Count the keys and say which rotations are under way; never shows a key")
        _changes(verbs.add_parser("rotate-root", help="Wrap everything under a new root key"))
        kek = _changes(verbs.add_parser("rotate-kek", help="Give controllers new keys; no data is touched"))
        _whose(kek, controller="one controller's (default: every controller's)")
        dek = _changes(verbs.add_parser("rotate-dek", help="Give data keys new material and seal every value anew"))
        _whose(dek, subject="one person's", owner="one request's or profile's", controller="one controller's")
        dek.add_argument("--all", action="store_true", help="everybody's")
        dek.add_argument("--resume", action="store_true", help="go on behind the last key of an interrupted rotation")
        index = _changes(verbs.add_parser("rotate-index", help="Give blind indexes new keys"))
        _whose(index, controller="one controller's (default: every controller's)")
        index.add_argument("--kind", help="one kind of identifier: email, phone, … (default: every kind)")
        destroy = _changes(verbs.add_parser("destroy", help="Destroy a person's or a request's data keys, for good"))
        _whose(destroy, subject="one person's", owner="one request's")
        destroy.add_argument("--reason", required=True, help="why; it stands in the audit log")
        destroy.add_argument("--yes", action="store_true", help="do not ask")
        _changes(verbs.add_parser("sweep", help="Destroy data keys that nothing was ever sealed under"))

    def handle(self, *, verb: str, **options: object) -> None:
        """Do the one that was asked for."""
        if verb in {"init", "status"}:
            (self._init if verb == "init" else self._status)()
            return
        signal.signal(signal.SIGTERM, _interrupted)
        verbs = {
            "rotate-root": self._rotate_root,
            "rotate-kek": self._rotate_kek,
            "rotate-dek": self._rotate_dek,
            "rotate-index": self._rotate_index,
            "destroy": self._destroy,
            "sweep": self._sweep,
        }
        try:
            verbs[verb](options)
        except KeyboardInterrupt:
            again = f"{verb} --resume" if verb == "rotate-dek" else verb
            raise CommandError(f"stopped; nothing is lost, and `manage.py keys {again}` goes on from here") from None
        except (WritersStillRun, NotForgotten) as error:
            raise CommandError(f"not finished, nothing is lost: {error}") from None
        except (RootKeyUnavailable, IndexCannotRotate, RotationRuns, ColumnsUnknown) as error:
            raise CommandError(str(error)) from None

    def _init(self) -> None:
        path = root_key_path()
        if path is None:
            raise CommandError("ROOT_KEY_URL names no file: the key comes from where it says")
        try:
            made = make_root_key(path)
        except RootKeyUnavailable as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{'made' if made else 'there is already'} a root key at {path}; keep a copy apart from both")
        self.stdout.write("databases: without it nothing can ever be read again")

    def _status(self) -> None:
        now = standing()
        for kind, count in now.data_keys:
            self._count(count, f"data keys: {kind.value}")
        self._count(now.controller_keys, "controller keys")
        self._count(now.index_keys, "keys of blind indexes")
        self._count(now.signing_keys, "signing keys")
        self._count(now.retired, "orphans about to be swept")
        self._count(now.incidents, "values that did not open, not yet in the audit log")
        self._count(now.destroyed_people, "people whose keys were destroyed")
        if now.not_forgotten_people:
            self._count(now.not_forgotten_people, "of them not yet overwritten")
        if now.backups_end_on is not None:
            self.stdout.write(
                "the last backup of the keys that still holds one that was destroyed or replaced expires on "
                f"{now.backups_end_on:%d %B %Y}"
            )
        for table in now.not_forgotten_in:
            self.stdout.write(
                self.style.WARNING(f"not finished: the file of {table} may still hold such keys; `keys sweep` ends it")
            )
        for rotation in now.rotations:
            self.stdout.write(self.style.WARNING(f"under way: {rotation.sentence}; `keys {rotation.verb}` finishes it"))
        if now.root_key_problem:
            raise CommandError(f"the root key cannot be had: {now.root_key_problem}")
        self.stdout.write("the root key can be had, and opens every controller's key")

    def _count(self, count: int, what: str) -> None:
        self.stdout.write(f"{count:>9,} {what}")

    def _rotate_root(self, options: Options) -> None:
        self._run(options, plan_root, lambda progress: rotate_root(patience=_patience(options), progress=progress))

    def _rotate_kek(self, options: Options) -> None:
        controller_id = _uuid(options, "controller")
        self._run(
            options,
            lambda: plan_kek(controller_id=controller_id),
            lambda progress: rotate_kek(controller_id=controller_id, patience=_patience(options), progress=progress),
        )

    def _rotate_dek(self, options: Options) -> None:
        whose = _one_of(options, "subject", "owner", "controller", or_all=True)
        resume = bool(options["resume"])
        self._run(
            options,
            lambda: plan_dek(whose, resume=resume),
            lambda progress: rotate_dek(whose, resume=resume, patience=_patience(options), progress=progress),
        )

    def _rotate_index(self, options: Options) -> None:
        controller_id, field = _uuid(options, "controller"), str(options["kind"]) if options["kind"] else None
        self._run(
            options,
            lambda: plan_index(controller_id=controller_id, field=field),
            lambda progress: rotate_index(
                controller_id=controller_id, field=field, patience=_patience(options), progress=progress
            ),
        )

    def _sweep(self, options: Options) -> None:
        self._run(options, plan_sweep, lambda progress: sweep_orphans(patience=_patience(options), progress=progress))

    def _destroy(self, options: Options) -> None:
        whose = _one_of(options, "subject", "owner")
        keys = whose.keys() if whose.owner_id is None else request_keys([whose.owner_id])
        kinds = list(keys.values_list("kind").annotate(count=Count("id")).order_by("kind"))
        count = sum(number for _, number in kinds)
        named = " and ".join(f"{number:,} {kind}" for kind, number in kinds)
        sentence = f"{count:,} data keys are destroyed{f' ({named})' if named else ''}"
        plan = Plan(sentence=f"{sentence}, and nothing under them can ever be read", total=count)

        def destroy(progress: Progress) -> Outcome:
            event = KeyEvent(
                action="keys.destruction_begun",
                subject_id=whose.subject_id,
                reason=str(options["reason"]),
                details={"owner": str(whose.owner_id or "")},
            )
            tell(event)
            ends_on: date | None
            if whose.subject_id is not None:
                done = destroy_subject_keys(whose.subject_id, kinds=[*KeyKind])
                destroyed, ends_on = done.keys, done.backups_end_on
            else:
                destroyed = destroy_owner_keys([whose.owner_id] if whose.owner_id else [])
                ends_on = last_backup_ends_on()
            progress(destroyed)
            day = {"backups_end_on": ends_on.isoformat()} if ends_on else {}
            details = {**event.details, "keys": destroyed, **day}
            tell(replace(event, action="keys.destroyed", details=details))
            sentence = f"{destroyed:,} data keys were destroyed"
            if ends_on:
                sentence += f"; the last backup that still holds them expires on {ends_on:%d %B %Y}"
            return Outcome(sentence=sentence, count=destroyed)

        if not options["dry_run"] and not options["yes"]:
            self.stdout.write(f"{plan.sentence}.")
            if input("Type `destroy` to go on: ").strip() != "destroy":
                raise CommandError("nothing was destroyed")
        self._run(options, lambda: plan, destroy)

    def _run(self, options: Options, plan: Callable[[], Plan], change: Callable[[Progress], Outcome]) -> None:
        planned = plan()
        if options["dry_run"]:
            self.stdout.write(f"{planned.sentence}. Nothing was changed.")
            return
        with tqdm(total=planned.total, unit=" keys", disable=None) as bar:  # None: only on a terminal
            outcome = change(bar.update)
        self.stdout.write(f"{outcome.sentence.rstrip('.')}.")
        for one in outcome.unreadable:
            self.stderr.write(f"does not open: {one}")
        if outcome.unreadable:
            raise CommandError(
                f"{len(outcome.unreadable):,} of them open under no key that there is, and keep the old key beside the "
                "new until they are restored from a backup or erased; then run this again"
            )


def _changes(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
    parser.add_argument(
        "--patience", type=float, default=60.0, help="seconds to wait for transactions that began before (default: 60)"
    )
    return parser


def _whose(parser: ArgumentParser, **names: str) -> None:
    for name, text in names.items():
        parser.add_argument(f"--{name}", type=UUID, metavar="UUID", help=text)


def _patience(options: Options) -> float:
    return float(str(options["patience"]))


def _uuid(options: Options, name: str) -> UUID | None:
    value = options.get(name)
    return value if isinstance(value, UUID) else None


def _one_of(options: Options, *names: str, or_all: bool = False) -> Whose:
    """Whose keys: exactly one of the options must say it. Raises: CommandError."""
    given = [name for name in names if options[name] is not None] + (["all"] if or_all and options["all"] else [])
    if len(given) != 1:
        choices = ", ".join(f"--{name}" for name in (*names, *(["all"] if or_all else [])))
        raise CommandError(f"say whose keys, by one of {choices}")
    return Whose(
        subject_id=_uuid(options, "subject"),
        owner_id=_uuid(options, "owner"),
        controller_id=_uuid(options, "controller"),
    )


def _interrupted(signal_number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
