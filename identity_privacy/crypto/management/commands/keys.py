"""`manage.py keys init|status|rotate-root|rotate-kek|rotate-dek|rotate-index|destroy|sweep`."""

import signal
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import NoReturn
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count, QuerySet
from tqdm import tqdm

from identity_privacy.confirming import confirm
from identity_privacy.crypto.controller_keys import make_root_key
from identity_privacy.crypto.destruction import (
    destroy_owner_keys,
    destroy_subject_keys,
    last_backup_ends_on,
    request_keys,
    unfinished,
)
from identity_privacy.crypto.errors import (
    ColumnsUnknown,
    IndexCannotRotate,
    NotForgotten,
    RootKeyUnavailable,
    RotationRuns,
    WritersStillRun,
)
from identity_privacy.crypto.events import KeyEvent, own_account, run_by, tell
from identity_privacy.crypto.models import DataKey, Tombstone
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
from identity_privacy.crypto.rotation.writers import rows_under
from identity_privacy.crypto.standing import standing
from identity_privacy.crypto.sweeping import plan_sweep, sweep_orphans
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.errors import IntegrityFailure

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
        dek.add_argument(
            "--resume",
            action="store_true",
            help="go on behind the last key of an interrupted rotation; alone, everybody's",
        )
        index = _changes(verbs.add_parser("rotate-index", help="Give blind indexes new keys"))
        _whose(index, controller="one controller's (default: every controller's)")
        index.add_argument("--kind", help="one kind of identifier: email, phone, … (default: every kind)")
        destroy = verbs.add_parser("destroy", help="Destroy a person's or a request's data keys, for good")
        _dry_run(destroy)
        _whose(destroy, subject="one person's", owner="one request's")
        destroy.add_argument("--reason", required=True, help="why; it stands in the audit log")
        destroy.add_argument("--yes", action="store_true", help="do not ask")
        _changes(verbs.add_parser("sweep", help="Destroy data keys that nothing was ever sealed under"))

    def handle(self, *, verb: str, **options: object) -> None:
        """Do the one that was asked for."""
        if verb in {"init", "status"}:
            try:
                (self._init if verb == "init" else self._status)()
            except IntegrityFailure as error:
                raise _foreign(error) from None
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
            with run_by(own_account()):
                verbs[verb](options)
        except KeyboardInterrupt:
            kept = "what was destroyed stays so" if verb == "destroy" else "nothing is lost"
            raise CommandError(f"stopped; {kept}, and {_again(verb, options)} goes on from here") from None
        except WritersStillRun as error:
            raise CommandError(
                f"not finished, nothing is lost: {error}; {_again(verb, options)} goes on from here"
            ) from None
        except NotForgotten as error:
            # What is left is to overwrite bytes: the same rotation once more would make new keys once more.
            again = "run this again" if verb == "destroy" else "`manage.py keys sweep` finishes it"
            raise CommandError(
                f"not finished: the keys are changed, but the database's file may still hold them: {error}; "
                f"{again}, or leave it to the daily sweep"
            ) from None
        except IntegrityFailure as error:
            raise _foreign(error) from None
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
            lambda: _with_keys(plan_kek(controller_id=controller_id), options),
            lambda progress: rotate_kek(controller_id=controller_id, patience=_patience(options), progress=progress),
        )

    def _rotate_dek(self, options: Options) -> None:
        resume = bool(options["resume"])
        whose = _one_of(options, "subject", "owner", "controller", or_all=True, default=resume)
        self._run(
            options,
            lambda: _with_keys(plan_dek(whose, resume=resume), options),
            lambda progress: rotate_dek(whose, resume=resume, patience=_patience(options), progress=progress),
        )

    def _rotate_index(self, options: Options) -> None:
        controller_id, field = _uuid(options, "controller"), str(options["kind"]) if options["kind"] else None
        self._run(
            options,
            lambda: _with_keys(plan_index(controller_id=controller_id, field=field), options),
            lambda progress: rotate_index(
                controller_id=controller_id, field=field, patience=_patience(options), progress=progress
            ),
        )

    def _sweep(self, options: Options) -> None:
        self._run(options, plan_sweep, lambda progress: sweep_orphans(patience=_patience(options), progress=progress))

    def _destroy(self, options: Options) -> None:
        whose = _one_of(options, "subject", "owner")
        keys = _destroyed_with(whose)
        key_ids = list(keys.values_list("id", flat=True))
        if not key_ids and not _is_begun(whose):
            raise CommandError(f"nothing to destroy: there is no key of {_scope(options)}, and none was destroyed")
        kinds = list(keys.values_list("kind").annotate(count=Count("id")).order_by("kind"))
        named = " and ".join(f"{number:,} {kind}" for kind, number in kinds)
        sentence = f"{len(key_ids):,} data keys are destroyed{f' ({named})' if named else ''}"
        sentence += f", and nothing under them can ever be read{_left(key_ids)}"
        plan = Plan(sentence=sentence, total=len(key_ids), keys=len(key_ids))

        def destroy(progress: Progress) -> Outcome:
            event = KeyEvent(
                action="keys.destruction_begun",
                subject_id=whose.subject_id,
                reason=str(options["reason"]),
                details={"owner": str(whose.owner_id or "")},
            )
            tell(event)
            ends_on: date | None
            try:
                if whose.subject_id is not None:
                    done = destroy_subject_keys(whose.subject_id, kinds=[*KeyKind])
                    destroyed, ends_on = done.keys, done.backups_end_on
                else:
                    destroyed = destroy_owner_keys([whose.owner_id] if whose.owner_id else [])
                    ends_on = last_backup_ends_on()
            except NotForgotten:
                gone = len(key_ids) - DataKey.objects.filter(id__in=key_ids).count()
                tell(replace(event, action="keys.destruction_unfinished", details={**event.details, "keys": gone}))
                raise
            progress(len(key_ids))
            day = {"backups_end_on": ends_on.isoformat()} if ends_on else {}
            details = {**event.details, "keys": destroyed, **day}
            tell(replace(event, action="keys.destroyed", details=details))
            sentence = f"{destroyed:,} data keys were destroyed"
            if ends_on:
                sentence += f"; the last backup that still holds them expires on {ends_on:%d %B %Y}"
            return Outcome(sentence=f"{sentence}{_left(key_ids)}", count=destroyed)

        if not options["dry_run"] and not options["yes"]:
            self.stdout.write(f"{plan.sentence}.")
            confirm("destroy", otherwise="nothing was destroyed")
        self._run(options, lambda: plan, destroy)

    def _run(self, options: Options, plan: Callable[[], Plan], change: Callable[[Progress], Outcome]) -> None:
        planned = plan()
        if options["dry_run"]:
            self.stdout.write(f"{planned.sentence}. Nothing was changed.")
            return
        with tqdm(total=planned.total, unit=f" {planned.unit}", disable=None) as bar:  # None: only on a terminal
            outcome = change(bar.update)
        self.stdout.write(f"{outcome.sentence.rstrip('.')}.")
        for one in outcome.unreadable:
            self.stderr.write(f"does not open: {one}")
        if outcome.unreadable:
            raise CommandError(
                f"{len(outcome.unreadable):,} of them open under no key that there is, and keep the old key beside the "
                "new until they are restored from a backup or erased; then run this again"
            )


def _dry_run(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")


def _changes(parser: ArgumentParser) -> ArgumentParser:
    _dry_run(parser)
    parser.add_argument(
        "--patience",
        type=_seconds,
        default=60.0,
        help="seconds to wait for transactions that began before (default: 60)",
    )
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ArgumentTypeError("a number of seconds, not below 0")
    return seconds


def _whose(parser: ArgumentParser, **names: str) -> None:
    for name, text in names.items():
        parser.add_argument(f"--{name}", type=UUID, metavar="UUID", help=text)


def _patience(options: Options) -> float:
    return float(str(options["patience"]))


def _uuid(options: Options, name: str) -> UUID | None:
    value = options.get(name)
    return value if isinstance(value, UUID) else None


def _one_of(options: Options, *names: str, or_all: bool = False, default: bool = False) -> Whose:
    """Whose keys: exactly one of the options must say it; none, everybody's by `default`. Raises: CommandError."""
    given = [name for name in names if options[name] is not None] + (["all"] if or_all and options["all"] else [])
    if len(given) != 1 and not (default and not given):
        choices = ", ".join(f"--{name}" for name in (*names, *(["all"] if or_all else [])))
        raise CommandError(f"say whose keys, by one of {choices}")
    return Whose(
        subject_id=_uuid(options, "subject"),
        owner_id=_uuid(options, "owner"),
        controller_id=_uuid(options, "controller"),
    )


def _with_keys(plan: Plan, options: Options) -> Plan:
    """A plan for keys that there are; everybody's may be none yet. Raises: CommandError."""
    scope = _scope(options)
    if scope and not plan.keys:
        raise CommandError(f"there is no key of {scope}")
    return plan


def _scope(options: Options) -> str:
    """Whose keys were asked for, as it was typed; empty for everybody's."""
    names = ("subject", "owner", "controller", "kind")
    return " ".join(f"--{name}={options[name]}" for name in names if options.get(name) is not None)


def _again(verb: str, options: Options) -> str:
    """The command that goes on from where this one was."""
    if verb == "destroy":
        return "the same command"
    resume = ["--resume"] if verb == "rotate-dek" else []
    return f"`{' '.join(filter(None, ['manage.py keys', verb, _scope(options), *resume]))}`"


def _destroyed_with(whose: Whose) -> QuerySet[DataKey]:
    """The data keys that `destroy` destroys: of a person, those that wait for the sweep too."""
    if whose.subject_id is not None:
        return DataKey.objects.filter(subject_id=whose.subject_id)
    return request_keys([whose.owner_id] if whose.owner_id else [])


def _is_begun(whose: Whose) -> bool:
    """Whether an earlier try may have destroyed these keys; of a request nothing tells but that some are unfinished."""
    if whose.subject_id is not None:
        return Tombstone.objects.filter(subject_id=whose.subject_id).exists()
    return DataKey._meta.db_table in unfinished()


def _left(key_ids: Sequence[UUID]) -> str:
    """What rows stay where only keys are destroyed, and what takes them away."""
    if not (tables := rows_under(key_ids)):
        return ""
    named = ", ".join(f"{count:,} in {table}" for table, count in tables.items())
    return (
        f". {sum(tables.values()):,} rows stay under them ({named}), with what in them is not sealed and the hashes of "
        "blind indexes, by which the person is still found, by e-mail for example: an erasure request takes these "
        "away, with everything around it; without one, `manage.py keys rotate-index` makes them unfindable at least"
    )


def _foreign(error: IntegrityFailure) -> CommandError:
    """What an operator looks at when a key does not open."""
    place = f" ({error})" if str(error) else ""
    return CommandError(
        f"a stored key or value does not open{place}: either ROOT_KEY_URL names the root key of other databases, or "
        "DATABASE_KEYS_URL names others' keys, or the row was changed; see `manage.py keys status`"
    )


def _interrupted(signal_number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
