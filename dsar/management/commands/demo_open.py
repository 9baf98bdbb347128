"""`manage.py demo_open`."""

import zipfile

from django.core.management.base import BaseCommand, CommandError

from dsar.demo import environment
from dsar.models import SubjectRequest
from dsar.packages import open_package
from dsar.services.fulfilment import reading_of


class Command(BaseCommand):
    """Open the access package that the demonstration left sealed."""

    help = "Open the access package that the demo left sealed, into var/demo-opened; its values are in clear there."
    requires_system_checks = ()

    def handle(self, **_: object) -> None:
        """Unseal, unpack, and say where."""
        environment.enter()
        if not (environment.FOLDER / "data.sqlite3").exists():
            raise CommandError("there is no demo yet: run `make demo` first")
        request = SubjectRequest.objects.exclude(package_name="").order_by("id").first()
        if request is None:
            raise CommandError("the demo left no package: run `make demo` again")
        folder = environment.FOLDER.with_name(f"{environment.FOLDER.name}-opened")
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / request.package_name.removesuffix(".sealed")
        with reading_of(request, "open the package of the demonstration"), target.open("wb") as file:
            file.writelines(open_package(request))
        with zipfile.ZipFile(target) as archive:
            archive.extractall(folder / request.reference)
            for member in archive.infolist():
                self.stdout.write(f"{member.file_size:>9,}  {member.filename}")
        self.stdout.write(
            f"in clear in {folder / request.reference}: open index.html in a browser, and delete it after"
        )
