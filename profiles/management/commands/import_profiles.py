"""`manage.py import_profiles FILE --mapping MAPPING --controller CODE`."""

import csv
import tomllib
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from identity_privacy.access.finding import controller_named
from identity_privacy.actors import Actor
from identity_privacy.errors import Invalid, NotFound
from profiles.rules import BadRow, columns_of, parse_mapping, read_csv
from profiles.services import import_profiles


class Command(BaseCommand):
    """Import people from a CSV file as encrypted profiles."""

    help = (
        "Import people from a CSV file as encrypted profiles. Rows that cannot be read go to FILE.rejects.csv with "
        "their line and the reason; importing a file again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The file, how to read it, and whose people they are."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--mapping", type=Path, required=True, help="TOML file that says which column is what")
        parser.add_argument("--controller", required=True, help="code of the controller whose people they are")
        parser.add_argument("--rejects", type=Path, help="where bad rows go (default: FILE.rejects.csv)")

    def handle(self, *, file: Path, mapping: Path, controller: str, rejects: Path | None, **_: object) -> None:
        """Read, import, and say what became of the rows."""
        try:
            owner = controller_named(controller)
            columns = parse_mapping(tomllib.loads(mapping.read_text(encoding="utf-8")))
            with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as header:
                missing = columns_of(columns) - set(next(csv.reader(header), []))
            if missing:
                raise CommandError(f"{file} has no column {', '.join(sorted(missing))}, which {mapping} names")
            with (
                file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines,
                tqdm(unit=" rows", desc="importing") as bar,
            ):
                report = import_profiles(
                    actor=Actor.service("import"),
                    controller=owner,
                    rows=read_csv(lines),
                    mapping=columns,
                    progress=bar.update,
                )
        except NotFound as error:
            raise CommandError(str(error)) from None
        except Invalid as error:
            raise CommandError(f"{mapping}: {error.field}: {error}") from None
        except (OSError, csv.Error, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{report.read} rows: {report.created} imported, {report.known} known already")
        if report.rejected:
            target = rejects or file.with_suffix(".rejects.csv")
            write_rejects(target, report.rejected)
            self.stdout.write(self.style.WARNING(f"{len(report.rejected)} rows could not be read: see {target}"))


def write_rejects(target: Path, rejected: list[BadRow]) -> None:
    """Write bad rows with line and reason, readable by the owner alone, since they hold what the file held."""
    target.touch(mode=0o600)
    target.chmod(0o600)  # it may be there from another time, with another mode
    with target.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "reason", "row"])
        writer.writerows((row.line, row.reason, row.text.rstrip("\r\n")) for row in rejected)
