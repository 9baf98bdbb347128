"""Blind indexes: find a person by an identifier without being able to read it."""

import re
import unicodedata
from typing import Final
from uuid import UUID

from identity_privacy.crypto.index_keys import held_index_keys
from identity_privacy.errors import Invalid

# What the rules leave as it is once in lower case, told at a hundredth of their cost.
_PLAIN_EMAIL: Final = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*", re.ASCII)


def normalise(kind: str, value: str) -> str:
    """The one spelling of an identifier, so that equal people meet: e-mail NFKC, case-folded, IDNA domain; phone E.164.

    Raises: Invalid, for an e-mail address or phone number that is none.
    """
    if kind == "email" and _PLAIN_EMAIL.fullmatch(lowered := value.strip().lower()):
        return lowered
    try:
        value.encode()
    except UnicodeEncodeError:  # its message would show the text
        raise Invalid("this text holds half of a character", field=kind) from None
    text = unicodedata.normalize("NFKC", value).strip()
    if kind == "email":
        local, at, domain = text.casefold().rpartition("@")
        try:
            ascii_domain = domain.encode("idna").decode()
        except UnicodeError:
            ascii_domain = ""
        if not (local and at and ascii_domain) or " " in local:
            raise Invalid("this is not an e-mail address", field="email")
        return f"{local}@{ascii_domain}"
    if kind == "phone":
        digits = re.sub(r"[\s().\-/]", "", text)
        if not re.fullmatch(r"\+[1-9]\d{6,14}", digits):
            raise Invalid("write the number with its country code, such as +49 30 123456", field="phone")
        return digits
    return text


def blind_indexes(controller_id: UUID, kind: str, value: str) -> list[bytes]:
    """Under which hashes an identifier may stand, 32 bytes each: one, or two while the key is rotated.

    None where this controller has no value of the kind. Look up with `filter(index__in=blind_indexes(…))`.

    Raises: Invalid.
    """
    normal, keys = normalise(kind, value), held_index_keys(controller_id, kind)
    return keys.lookups(normal) if keys is not None else []
