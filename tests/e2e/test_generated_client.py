"""A client made from the published schema works: it knows our address and its secret, and nothing else of ours."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from dsar.terms import RequestKind
from identity_privacy.audit import offline
from identity_privacy.audit.services import sequence
from tests import cast
from tests.audit.verifier import log_key, said
from tests.cast import Cast
from tests.factories import make_request
from tests.programs import make_program

PACKAGE = "lindwerk_api"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "call-the-api.md"


@pytest.fixture
def stage(live_server: LiveServer, settings: Settings) -> Cast:
    settings.ALLOW_LOOPBACK_PARTNERS = True
    return cast.enter()


@pytest.fixture
def generated(
    live_server: LiveServer, stage: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Any]]:
    """The client's modules by name, made from what the running service publishes; a warning is an error."""
    with urlopen(f"{live_server.url}/api/v1/schema/?format=json") as answer:  # noqa: S310  # the live server's own
        (tmp_path / "schema.json").write_bytes(answer.read())
    (tmp_path / "config.json").write_text(json.dumps({"post_hooks": []}))  # nobody reads what is thrown away
    options = ["--path", "schema.json", "--output-path", PACKAGE, "--config", "config.json", "--meta", "none"]
    made = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", *options, "--fail-on-warning"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda name: importlib.import_module(f"{PACKAGE}.{name}" if name else PACKAGE)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def test_a_generated_client_signs_in_pages_reads_and_proves(
    live_server: LiveServer, stage: Cast, generated: Callable[[str], Any]
) -> None:
    wanted = [make_request(stage.lindwerk, stage.alice, kind) for kind in (RequestKind.ACCESS, RequestKind.ERASURE)]
    wanted.append(make_request(stage.lindwerk, stage.bob, RequestKind.ACCESS))
    of_others = make_request(stage.otherwerk, stage.charlie, RequestKind.ACCESS)
    sequence()
    package, models = generated(""), generated("models")
    made = make_program(stage.lindwerk)

    with package.Client(base_url=live_server.url, httpx_args={"auth": (made.client_id, made.secret)}) as by_secret:
        form = models.TokenInputRequest(grant_type=models.GrantTypeEnum.CLIENT_CREDENTIALS)
        token = generated("api.oauth.token").sync(client=by_secret, body=form)
    with package.AuthenticatedClient(base_url=live_server.url, token=token.access_token) as client:
        listing = generated("api.requests.requests_list").sync
        first = listing(client=client, page_size=2)
        (cursor,) = parse_qs(urlsplit(first.next_).query)["cursor"]
        second = listing(client=client, page_size=2, cursor=cursor)
        assert [row.reference for row in (*first.results, *second.results)] == [row.reference for row in wanted[::-1]]
        assert second.next_ is None

        one = generated("api.requests.request").sync_detailed
        found = one(wanted[1].reference, client=client)
        assert (found.parsed.kind, found.parsed.due_on) == (models.RequestKind.ERASURE, wanted[1].due_on)
        assert {task.system for task in found.parsed.tasks} == {"this-service", "shop", "mailer"}
        assert one(wanted[1].reference, client=client, if_none_match=found.headers["ETag"]).status_code == 304
        refused = one(of_others.reference, client=client)
        assert (refused.status_code, refused.parsed.type_) == (404, "/problems/not-found")

        entries = generated("api.audit.audit_entries").sync(client=client, subject=stage.bob, action="request.*")
        assert [row.entry.action for row in entries.results] == ["request.accepted", "request.submitted"]
        proof = generated("api.audit.audit_entry_proof").sync_detailed(entries.results[0].entry.id, client=client)
        keys = generated("api.keys.signing_keys").sync(client=client).keys
        assert log_key().rstrip("=") in {key.x.replace("-", "+").replace("_", "/") for key in keys}
        pinned = offline.Pinned([log_key()])
        assert said(offline.verify_proofs([proof.content], proof.parsed.checkpoint, pinned))[-1] == "verified"


def test_the_example_on_the_page_about_it_runs(
    live_server: LiveServer, stage: Cast, generated: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = make_request(stage.lindwerk, stage.alice, RequestKind.ACCESS)
    made = make_program(stage.lindwerk)
    (example,) = (block for block in PAGE.read_text().split("```\n") if block.startswith("from lindwerk_api import"))
    example = example.replace("https://privacy.lindwerk.example", live_server.url)
    exec(example, {"CLIENT_ID": made.client_id, "CLIENT_SECRET": made.secret})  # noqa: S102  # our own page
    assert wanted.reference in capsys.readouterr().out
