"""What the how-to shows is the notebook app's own code, and what it does is done here."""

import re
from pathlib import Path

import pytest
from django.core.exceptions import FieldError

from identity_privacy.crypto import errors
from identity_privacy.errors import Invalid
from tests.crypto.notebook import models

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/howto/encrypt-a-model.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
DECLARATIONS = [block for block in BLOCKS if block.startswith(("class ", "from django.db"))]


def test_the_models_of_the_page_are_those_of_the_app() -> None:
    code = Path(models.__file__).read_text()
    assert len(DECLARATIONS) == 3
    assert [block for block in DECLARATIONS if block not in code] == []


@pytest.mark.django_db(transaction=True)
def test_what_the_page_does_works() -> None:
    names: dict[str, object] = dict(vars(models))
    for block in BLOCKS:
        if block not in DECLARATIONS:
            exec(compile(block, "encrypt-a-model.md", "exec"), names)  # noqa: S102  # our own page
    assert names["text"] == "erased"


def test_every_error_of_the_page_exists() -> None:
    table = PAGE.partition("## What raises what")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([A-Z]\w+)`", table)) - {"Reading"}
    known = {name for name in vars(errors)} | {Invalid.__name__, FieldError.__name__}
    assert named <= known
