"""Lists of the API, page by page."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from identity_privacy.errors import Invalid

# By which a list is paged, beside its own filters.
PARAMETERS: Final = ("cursor", "page_size")


class NewestFirst(CursorPagination):
    """Ids are made in the order of time, so they page stably while rows are added, and as fast on the last page."""

    ordering = "-id"
    cursor_query_param = "cursor"
    cursor_query_description = "Where the page begins; `next` and `previous` have it"
    page_size = 50
    page_size_query_param = "page_size"
    page_size_query_description = "How many at most; 50, if it is not said"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Where the page begins. Raises: Invalid, for a cursor that is not from a page before."""
        try:
            cursor = super().decode_cursor(request)
            if cursor and cursor.position is not None:
                UUID(str(cursor.position))
        except (NotFound, ValueError):
            raise Invalid("this is not the cursor of a page", field=self.cursor_query_param) from None
        return cursor

    def get_page_size(self, request: Request) -> int:
        """How many there are on a page. Raises: Invalid, rather than give another number than was asked for."""
        asked = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if asked not in map(str, range(1, self.max_page_size + 1)):
            raise Invalid(f"give a number from 1 to {self.max_page_size}", field=self.page_size_query_param)
        return int(asked)

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, object]]:
        """For the schema: with the bounds of the page's size."""
        cursor, page_size = super().get_schema_operation_parameters(view)
        page_size["schema"] = {"type": "integer", "minimum": 1, "maximum": self.max_page_size}
        return [cursor, page_size]

    def get_paginated_response_schema(self, schema: Mapping[str, object]) -> dict[str, object]:
        """For the schema: every page has all three, and the first and the last a null."""
        neighbour = {"type": ["string", "null"], "format": "uri"}
        address = (
            "https://privacy.lindwerk.example/api/v1/.../?cursor=cD0wMTlkZmRjYS05MWY0LTdkMGUtYTViMy0yYzZmOGUxZDRhOTc%3D"
        )
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": neighbour | {"example": address, "description": "The page of older ones"},
                "previous": neighbour | {"example": None, "description": "The page of newer ones"},
                "results": schema,
            },
        }
