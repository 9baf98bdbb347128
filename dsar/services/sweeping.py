"""What the sweeps have in common: one request that fails holds up no other."""

import logging
from collections.abc import Callable, Iterable
from uuid import UUID

from identity_privacy.errors import ServiceError

logger = logging.getLogger(__name__)


def each(ids: Iterable[UUID], verb: Callable[[UUID], object]) -> int:
    """Do one verb for each request and say how many it was done for; the next sweep tries again where it failed."""
    done = 0
    for request_id in ids:
        try:
            verb(request_id)
        except ServiceError as error:
            # Often another worker that came first; the text of our own errors holds ids only.
            logger.warning("request %s waits for the next sweep: %s: %s", request_id, error.code, error)
        except Exception as error:
            # The worker's outermost loop. Only the kind is kept: the text may hold personal data.
            logger.error("request %s waits for the next sweep: %s", request_id, type(error).__name__)  # noqa: TRY400
        else:
            done += 1
    return done
