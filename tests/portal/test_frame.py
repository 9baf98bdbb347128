"""What holds on every page: the policy, no foreign host, and the files that we vendored."""

import hashlib
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from tests.cast import Cast
from tests.portal.door import stranger

STATIC = Path(settings.BASE_DIR) / "static"
PAGES = ["/", "/data/", "/choices/", "/requests/", "/requests/new/", "/requests/new/access/", "/requests/new/erasure/"]
OPEN_PAGES = ["/sign-in/", "/authority/", "/accessibility/"]


@pytest.mark.parametrize("path", [*PAGES, *OPEN_PAGES])
def test_a_page_has_no_inline_script_or_style_and_a_policy_that_forbids_them(alice: Client, path: str) -> None:
    response = alice.get(path, follow=True)
    page = response.content.decode()

    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", page)


@pytest.mark.parametrize("path", [*PAGES, *OPEN_PAGES])
def test_a_page_loads_nothing_from_elsewhere(alice: Client, path: str) -> None:
    page = alice.get(path, follow=True).content.decode()

    assert not re.findall(r'<(?:script|link|img|use)[^>]*(?:src|href)="(?:https?:)?//[^"]*"', page)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_ones_own_is_not_stored_and_leads_strangers_to_the_sign_in(alice: Client, path: str) -> None:
    assert "no-store" in alice.get(path)["Cache-Control"]
    assert stranger().get(path)["Location"] == "/sign-in/"


def test_what_does_not_exist_has_a_way_home(cast: Cast) -> None:
    response = stranger().get("/no-such-page/")

    assert response.status_code == 404
    assert "This page does not exist" in response.content.decode()


def test_each_vendored_file_is_the_one_that_was_vendored() -> None:
    table = re.findall(r"^\| ([\w/.-]+) \|.*\| ([0-9a-f]{64}) \|$", (STATIC / "vendor/VERSIONS.md").read_text(), re.M)

    assert len(table) == 3
    for name, digest in table:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest


def test_only_the_tokens_hold_colours() -> None:
    elsewhere = [path for path in (STATIC / "css").glob("*.css") if path.name != "tokens.css"]

    assert not [path.name for path in elsewhere if re.search(r"#[0-9a-f]{3,8}\b|rgb\(|hsl\(", path.read_text())]
