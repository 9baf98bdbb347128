"""Whoever holds our signing key still cannot make a certificate say what its evidence does not."""

import base64
import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dsar.models import SubjectRequest
from identity_privacy.audit import offline
from identity_privacy.audit.canonical import canonical_json
from tests.cast import Cast
from tests.dsar.test_certificate import Document, certificate_of, erasure, keys_of_ours, part, shops_key

__all__ = ["erasure", "shops_key"]  # fixtures


def resigned(document: Document, change: Callable[[Document], object], folder: Path) -> tuple[Path, list[str]]:
    """A changed certificate, signed anew by a key that the reader trusts."""
    key = Ed25519PrivateKey.generate()
    changed = copy.deepcopy(document)
    change(part(changed, "certificate"))
    public_key = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    value = base64.b64encode(key.sign(canonical_json(part(changed, "certificate")))).decode()
    part(changed, "signature").update(public_key=public_key, value=value)
    file = folder / "forged.json"
    file.write_text(json.dumps(changed))
    return file, [public_key]


def verdict(file: Path, keys: list[str]) -> str:
    said: list[str] = []
    offline.report(offline.certificate_checks(file, keys, keys_of_ours()[1:]), said.append)
    return said[-1]


def system(content: Document, code: str) -> Document:
    rows = content["systems"]
    assert isinstance(rows, list)
    found: Document = next(row for row in rows if row["system"] == code)
    return found


def says_done_where_the_shop_found_nothing(content: Document) -> None:
    system(content, "shop")["outcome"] = "nothing_found"


def takes_an_answer_about_another_task(content: Document) -> None:
    system(content, "shop")["task"] = system(content, "mailer")["task"]


def takes_the_first_answer_for_the_recheck(content: Document) -> None:
    system(content, "shop")["recheck_evidence"] = system(content, "shop")["evidence"]


def leaves_out_every_entry(content: Document) -> None:
    part(content, "logs", 0)["entries"] = []


def names_no_log(content: Document) -> None:
    content["logs"] = []


def is_about_another_request(content: Document) -> None:
    part(content, "request")["id"] = "00000000-0000-7000-8000-000000000000"


def names_another_log(content: Document) -> None:
    log = part(content, "logs", 0)
    log["checkpoint"] = str(log["checkpoint"]).replace("identity-privacy.example/log", "another.example/log")


def is_of_an_unknown_form(content: Document) -> None:
    content["format"] = "identity-privacy/certificate/2"


@pytest.mark.parametrize(
    "change",
    [
        says_done_where_the_shop_found_nothing,
        takes_an_answer_about_another_task,
        takes_the_first_answer_for_the_recheck,
        leaves_out_every_entry,
        names_no_log,
        is_about_another_request,
        names_another_log,
        is_of_an_unknown_form,
    ],
)
def test_a_statement_without_its_evidence_fails(
    cast: Cast, erasure: SubjectRequest, tmp_path: Path, change: Callable[[Document], object]
) -> None:
    document = certificate_of(erasure)
    assert verdict(*resigned(document, lambda content: None, tmp_path)) == "verified"
    assert verdict(*resigned(document, change, tmp_path)).startswith("FAILED")


@pytest.mark.parametrize("algorithm", ["none", "HMAC", None])
def test_another_algorithm_is_refused(erasure: SubjectRequest, tmp_path: Path, algorithm: object) -> None:
    document = certificate_of(erasure)
    part(document, "signature")["algorithm"] = algorithm
    (tmp_path / "forged.json").write_text(json.dumps(document))
    assert verdict(tmp_path / "forged.json", keys_of_ours()[:1]).startswith("FAILED")


def test_a_member_that_stands_twice_is_refused(erasure: SubjectRequest, tmp_path: Path) -> None:
    """One reader would see the first, another the last."""
    whole = json.dumps(certificate_of(erasure))
    (tmp_path / "forged.json").write_text('{"certificate": {"request": {}}, ' + whole[1:])
    assert verdict(tmp_path / "forged.json", keys_of_ours()[:1]) == "FAILED  a member stands twice in the certificate"


def test_text_that_is_no_unicode_is_refused_in_one_line(erasure: SubjectRequest, tmp_path: Path) -> None:
    whole = json.dumps(certificate_of(erasure)).replace('"reason": ""', '"reason": "\\ud800"')
    (tmp_path / "forged.json").write_text(whole)
    assert verdict(tmp_path / "forged.json", keys_of_ours()[:1]).startswith("FAILED")
