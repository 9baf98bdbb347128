"""Taking a controller (a brand) into this service."""

import re
from typing import Final
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import transaction

from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.errors import Invalid

_LABEL: Final = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")


@transaction.atomic
def open_controller(
    *, actor: Actor, code: str, name: str, host: str, country: str, time_zone: str, privacy_email: str
) -> Controller:
    """Take a controller into this service, with the host name of its portal.

    `country` is the ISO 3166 code of its establishment, `time_zone` an IANA name: the law's days are counted there.

    Raises: Invalid, which names what cannot be so.
    """
    controller = Controller(
        code=code, name=name, host=host, country=country, time_zone=time_zone, privacy_email=privacy_email
    )
    if not _HOST.fullmatch(host):
        raise Invalid("give the host name alone, in small letters: privacy.brand.example", field="host")
    if not name.isprintable():
        raise Invalid("give it in one line", field="name")
    if not _COUNTRY.fullmatch(country):
        raise Invalid("give the two capital letters of ISO 3166, such as DE", field="country")
    if time_zone not in available_timezones():
        raise Invalid("no such time zone; give an IANA name such as Europe/Berlin", field="time_zone")
    try:
        controller.full_clean()
    except ValidationError as error:
        field, problems = next(iter(error.message_dict.items()))
        raise Invalid(problems[0].rstrip("."), field=field) from None
    controller.save(force_insert=True)
    record(actor=actor, action="controller.opened", target=("controller", controller.id), controller_id=controller.id)
    return controller
