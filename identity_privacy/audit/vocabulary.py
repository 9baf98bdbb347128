"""Every action that the service enters, and how a member of staff reads it. A test finds one without words."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Final[Mapping[str, Promise]] = {
    "api_client.created": _("API client made"),
    "api_client.revoked": _("API client shut out"),
    "api_client.rotated": _("API client given another secret"),
    "api_client.token_given": _("API client given a token"),
    "attributes.defined": _("Kinds of facts defined"),
    "certificate.issued": _("Certificate issued"),
    "checkpoint.cosigned": _("Checkpoint cosigned by a witness"),
    "checkpoint.not_held": _("Witness holds a checkpoint that the log does not"),
    "checkpoint_key.rotated": _("Key of the checkpoints rotated"),
    "commitment.checked": _("Value compared with what was committed to"),
    "consent.answered_all": _("All purposes answered at once"),
    "consent.given": _("Consent given"),
    "consent.imported": _("Consents imported"),
    "consent.objected": _("Objection made"),
    "consent.refused": _("Consent refused"),
    "consent.withdrawn": _("Consent withdrawn"),
    "controller.opened": _("Controller taken in"),
    "keys.controller_key_rotated": _("Controller’s key rotated"),
    "keys.controller_key_rotation_begun": _("Rotation of a controller’s key begun"),
    "keys.controller_key_rotation_unfinished": _("Rotation of a controller’s key not finished"),
    "keys.data_key_rotation_begun": _("Rotation of people’s keys begun"),
    "keys.data_key_rotation_unfinished": _("Rotation of people’s keys not finished"),
    "keys.data_keys_rotated": _("People’s keys rotated"),
    "keys.destroyed": _("Keys destroyed"),
    "keys.destruction_begun": _("Destruction of keys begun"),
    "keys.destruction_unfinished": _("Destruction of keys not finished"),
    "keys.index_key_rotated": _("Key of the search index rotated"),
    "keys.index_key_rotation_begun": _("Rotation of the search index’s key begun"),
    "keys.index_key_rotation_unfinished": _("Rotation of the search index’s key not finished"),
    "keys.orphans_swept": _("Keys that nothing used any more swept out"),
    "keys.root_rotated": _("Root key rotated"),
    "keys.root_rotation_begun": _("Rotation of the root key begun"),
    "keys.root_rotation_unfinished": _("Rotation of the root key not finished"),
    "links.added": _("Person linked to systems"),
    "log.altered": _("Log found changed"),
    "log.check_asked": _("Check of the log asked for"),
    "log.exported": _("Entries of the log downloaded"),
    "log.handed_over": _("Log handed over to a new epoch"),
    "log.pruned": _("Old entries taken out of the log"),
    "log.verified": _("Log verified"),
    "message.dead": _("Message given up"),
    "message.delivered": _("Message delivered"),
    "message.replayed": _("Message sent again"),
    "notice.published": _("Text of a purpose published"),
    "personal_data.read": _("Personal data read"),
    "profile.restricted": _("All use of a person’s data stopped"),
    "profiles.imported": _("People imported"),
    "purpose.defined": _("Purpose defined"),
    "request.accepted": _("Request accepted"),
    "request.answered": _("Request answered"),
    "request.closed": _("Request ended"),
    "request.collected": _("Our own copy of the data collected"),
    "request.forgotten": _("What named the person removed from a request"),
    "request.joined": _("Asked once more, joined to the open request"),
    "request.recheck_started": _("Systems asked once more"),
    "request.submitted": _("Request submitted"),
    "request.withdrawn": _("Request withdrawn"),
    "role.given": _("Role given"),
    "role.taken": _("Role taken away"),
    "sign_in.code_requested": _("Sign-in code asked for"),
    "sign_in.failed": _("Sign-in failed"),
    "sign_in.forgotten": _("Old sign-in codes removed"),
    "sign_in.succeeded": _("Signed in"),
    "staff.added": _("Member of staff added"),
    "subject.erased": _("Person erased"),
    "subject.erased_again": _("Person erased again after a restore"),
    "subject.rows_erased": _("Person’s data erased"),
    "system.registered": _("System linked"),
    "system.switched_off": _("System switched off"),
    "system.switched_on": _("System switched on"),
    "system_secret.read": _("Secret of a system read"),
    "task.accepted": _("System accepted its task"),
    "task.asked_again": _("System asked again"),
    "task.rechecked": _("System answered the check"),
    "task.report_refused": _("Report of a system refused"),
    "task.reported": _("System reported"),
    "task.reported_again": _("System reported once more"),
    "task.stuck": _("Task stuck"),
    "value.unreadable": _("Stored value could not be opened"),
}


def words_for(action: str) -> str:
    """An action as people read it: "Request accepted"; one that an older release entered by its own name."""
    return str(WORDS[action]) if action in WORDS else action.replace(".", " ").replace("_", " ").capitalize()


def actions_beginning_with(text: str) -> Sequence[str]:
    """The actions whose names begin so: an index finds a few names, and no beginning of one in every collation."""
    return [action for action in WORDS if action.startswith(text)]
