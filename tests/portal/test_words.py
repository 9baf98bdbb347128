"""Every word of the portal exists in both languages, and what is served is what is written."""

import ast
import gettext
import re
from pathlib import Path

from django.conf import settings
from django.test import Client

from tests.cast import Cast

CATALOGUE = Path(settings.LOCALE_PATHS[0]) / "de" / "LC_MESSAGES"


def test_every_sentence_has_its_german_and_the_served_catalogue_is_the_written_one() -> None:
    with (CATALOGUE / "django.mo").open("rb") as compiled:
        served = gettext.GNUTranslations(compiled)

    for context, message, plural, translations in _written():
        assert all(translations), message
        for count, translation in zip((1, 2), translations, strict=False):
            if plural:
                assert served.ngettext(message, plural, count) == translation
            elif context:
                assert served.pgettext(context, message) == translation
            else:
                assert served.gettext(message) == translation


def test_a_translation_asks_for_the_same_values_as_the_sentence() -> None:
    for _context, message, plural, translations in _written():
        for translation in translations:
            assert _values(translation) <= _values(message) | _values(plural), message


def test_the_pages_speak_the_language_of_the_browser_and_of_the_menu(cast: Cast, alice: Client) -> None:
    assert "Meine Wahl</h1>" in alice.get("/choices/", headers={"accept-language": "de"}).content.decode()

    alice.post("/language/", {"language": "de", "next": "/choices/"})
    page = alice.get("/choices/", headers={"accept-language": "en"}).content.decode()
    assert '<html lang="de"' in page
    assert "Alle ablehnen" in page


def test_the_language_menu_leads_to_no_foreign_address(cast: Cast, alice: Client) -> None:
    response = alice.post("/language/", {"language": "de", "next": "https://elsewhere.example/"})

    assert response["Location"] == "/"


def _values(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


def _written() -> list[tuple[str, str, str, list[str]]]:
    """The entries of the .po file: context, message, plural, translations."""
    found = []
    for block in (CATALOGUE / "django.po").read_text().split("\n\n"):
        parts: dict[str, str] = {}
        keyword = ""
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if not line.startswith('"'):
                keyword, line = line.split(" ", 1)
            parts[keyword] = parts.get(keyword, "") + ast.literal_eval(line)
        if parts.get("msgid"):
            translations = [text for name, text in parts.items() if name.startswith("msgstr")]
            found.append((parts.get("msgctxt", ""), parts["msgid"], parts.get("msgid_plural", ""), translations))
    return found
