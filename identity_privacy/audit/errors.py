"""What can go wrong with the log and its proofs."""

from identity_privacy.errors import IntegrityFailure, NotFound, NotPermitted, Refused


class LogAltered(IntegrityFailure):
    """Stored entries, tree and checkpoints do not agree; the message names the first bad entry by its index."""

    code = "log-altered"
    title = "The audit log was changed"


class LogBehind(IntegrityFailure):
    """Somebody holds a checkpoint that is not in this log: it was restored from an older backup, or forked."""

    code = "log-behind"
    title = "The audit log ends before what was signed"


class LogRenamed(IntegrityFailure):
    """The log was signed under another name than `AUDIT_LOG_ORIGIN` says: set that back, or take the right database."""

    code = "log-renamed"
    title = "The audit log has another name"


class NotYetSequenced(NotFound):
    """The entry has no index yet, so nothing can be proven about it; it has one within seconds."""

    code = "not-yet-sequenced"
    title = "This entry is not in a checkpoint yet"


class NoCommitment(NotFound):
    """There is no such entry, or it commits to nothing by this name."""

    code = "no-commitment"
    title = "This entry commits to no such value"


class NotCosigned(NotPermitted):
    """A note is of another log, not signed by a key of this one, or by no witness that this service trusts."""

    code = "not-cosigned"
    title = "This is not signed by our log and by a witness that we trust"


class CheckpointNotHeld(Refused):
    """We signed it and a witness cosigned it, but the log does not hold it: it was noted, and the service stops."""

    code = "checkpoint-not-held"
    title = "The log does not hold this checkpoint"


class CheckpointHandedOver(Refused):
    """The log was handed over from this checkpoint, and goes on under a new name since: cosign a newer one."""

    code = "checkpoint-handed-over"
    title = "The log goes on under a new name"
