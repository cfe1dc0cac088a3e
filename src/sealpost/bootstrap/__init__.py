"""The only place that builds pools, mailers and stores and hands them over (design, section 2).

``opened`` builds the Service; ``asgi`` the web application; the rest is for the commands.
"""

from sealpost.bootstrap.database import RESTORING, NotCurrent, RestoreUnfinished, database, migrate, require_current
from sealpost.bootstrap.examine import (
    database_time,
    examine_clock,
    examine_complaints,
    examine_database,
    examine_delivery,
    examine_evidence,
    examine_keys,
)
from sealpost.bootstrap.inbound import inbound
from sealpost.bootstrap.service import looked_into, opened, renew_seals
from sealpost.bootstrap.web import asgi
from sealpost.usecases.service import Service

__all__ = [
    "RESTORING",
    "NotCurrent",
    "RestoreUnfinished",
    "Service",
    "asgi",
    "database",
    "database_time",
    "examine_clock",
    "examine_complaints",
    "examine_database",
    "examine_delivery",
    "examine_evidence",
    "examine_keys",
    "inbound",
    "looked_into",
    "migrate",
    "opened",
    "renew_seals",
    "require_current",
]
