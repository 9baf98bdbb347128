"""What can go wrong with the log and its proofs."""

from identity_privacy.errors import IntegrityFailure, NotFound


class LogAltered(IntegrityFailure):
    """Stored entries, tree and checkpoints do not agree; the message names the first bad entry by its index."""

    code = "log-altered"
    title = "The audit log was changed"


class LogBehind(IntegrityFailure):
    """Somebody holds a checkpoint that is not in this log: it was restored from an older backup, or forked."""

    code = "log-behind"
    title = "The audit log ends before what was signed"


class NotYetSequenced(NotFound):
    """The entry has no index yet, so nothing can be proven about it; it has one within seconds."""

    code = "not-yet-sequenced"
    title = "This entry is not in a checkpoint yet"
