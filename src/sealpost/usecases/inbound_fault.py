"""What is said, in the log, of a fault of ours while mail comes in; the other side is asked to try again."""

from __future__ import annotations

import structlog

log = structlog.get_logger()


def inbound_fault(error: BaseException) -> None:
    """Notes a fault with its traceback; nothing of the mail and no address."""
    log.error("inbound mail met a fault", exc_info=error)
