"""How many cases there are: the tables as the tests run them."""

from __future__ import annotations

from functools import cache

from tests.hostile.framing_table import framing_cases, taken_cases
from tests.hostile.mail_table import JOINS, PAYLOAD_FIELDS, PAYLOADS
from tests.hostile.page_table import page_cases
from tests.hostile.query_table import query_cases
from tests.hostile.record_table import record_cases
from tests.hostile.send_table import send_cases
from tests.hostile.table import Known

TABLES = {"send": send_cases, "records": record_cases, "queries": query_cases, "pages": page_cases}


@cache
def counts() -> dict[str, int]:
    """Requests by kind; and, beside them, payloads by field of a mail."""
    found = {name: len(table(Known())) for name, table in TABLES.items()}
    found["framing"] = len(framing_cases(Known())) + len(taken_cases(Known()))
    return found


def payloads() -> int:
    """Submissions with a payload in a field that reaches a mail."""
    return len(PAYLOADS) * len(PAYLOAD_FIELDS) + len(JOINS) * 4


def summary() -> str:
    """One line for the end of a run."""
    found = counts()
    kinds = ", ".join(f"{name} {number:,}" for name, number in found.items())
    return f"hostile input: {sum(found.values()):,} requests ({kinds}) and {payloads():,} payloads in fields of mails"
