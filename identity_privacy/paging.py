"""Lists of the API, page by page."""

from uuid import UUID

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from identity_privacy.errors import Invalid


class NewestFirst(CursorPagination):
    """Ids are made in the order of time, so they page stably while rows are added, and as fast on the last page."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
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
