"""Handing the log out."""

from collections.abc import Sequence
from pathlib import Path

from identity_privacy.actors import Actor
from identity_privacy.audit.checkpoints import log_name
from identity_privacy.audit.exporting import Part, Progress, Selection, refuse_nothing, write_export
from identity_privacy.audit.readme import readme
from identity_privacy.audit.services.entering import record
from identity_privacy.audit.services.growing import sequence
from identity_privacy.private_files import written_together


def export_log(
    *, actor: Actor, folder: Path, selection: Selection, account: str = "", progress: Progress = lambda count: None
) -> Sequence[Part]:
    """Write the log, or what is selected of it, into a folder; who did that is entered before anything is written.

    Call it outside a transaction. `account` is who ran it, as the operating system knows them. Raises: NotFound, where
    there is nothing to export; Refused, for a folder that holds anything; OSError; LogAltered; LogBehind; LogRenamed.
    """
    controller_id, subject_id = selection.whose()
    sequence()
    refuse_nothing(selection)
    with written_together(folder) as create:
        record(
            actor=actor,
            action="log.exported",
            target=("log", log_name(1)),
            controller_id=controller_id,
            subject_id=subject_id,
            details={**selection.details(), **({"account": account} if account else {})},
        )
        sequence()
        parts = write_export(create, selection, progress)
        create("README.txt").write(readme(parts, selection).encode())
    return parts
