"""The only place that builds pools, mailers and stores and hands them over (design, section 2).

``opened`` builds the Service; ``asgi`` the web application; the rest is for the commands.
"""

from sealpost.bootstrap.database import RESTORING, RestoreUnfinished, database, migrate
from sealpost.bootstrap.examine import (
    database_time,
    examine_clock,
    examine_database,
    examine_delivery,
    examine_evidence,
    examine_keys,
)
from sealpost.bootstrap.inbound import inbound
from sealpost.bootstrap.service import opened, renew_seals
from sealpost.bootstrap.web import asgi
from sealpost.usecases.service import Service

__all__ = [
    "RESTORING",
    "RestoreUnfinished",
    "Service",
    "asgi",
    "database",
    "database_time",
    "examine_clock",
    "examine_database",
    "examine_delivery",
    "examine_evidence",
    "examine_keys",
    "inbound",
    "migrate",
    "opened",
    "renew_seals",
]
