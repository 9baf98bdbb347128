"""The console's pages of requests: the queue, one request, and Today."""

from dsar.admin.queue import SubjectRequestAdmin
from dsar.admin.today import register_today

register_today()

__all__ = ["SubjectRequestAdmin"]
