"""Reading what is sent to the API."""

from collections.abc import Collection, Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from identity_privacy.errors import Invalid


class JSONOnly(JSONParser):
    """JSON, however deeply a stranger nests it: that is their error (400), not ours."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Raises: ParseError."""
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON is nested too deeply") from None


def refuse_unknown(given: Collection[str], known: Collection[str]) -> None:
    """Refuse a parameter with a slip in its name, which would else be as if it were not there. Raises: Invalid."""
    if unknown := sorted(set(given) - set(known)):
        raise Invalid(f"there is no such parameter; there is: {', '.join(sorted(known))}", field=unknown[0])
