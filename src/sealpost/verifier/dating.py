"""What each record claims of its time, against what is proven: not later than the earliest time token over it.

Further apart than the log promises is NOT PROVEN, and never a FAIL: a token that came late says nothing against a record.
The end of a term follows from the record that states the term (evidence format, section 6).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sealpost.verifier import terms
from sealpost.verifier.case import Case, Dated, Record, event_time
from sealpost.verifier.certificates import shown
from sealpost.verifier.report import Said
from sealpost.verifier.tables import ORDER, RULES
from sealpost.verifier.times import is_own, proven

_PROMISED = timedelta(seconds=RULES["promisedSeconds"])


def check(case: Case) -> None:
    """Says dating, and keeps for the time line what it says."""
    findings = case.findings
    if case.trust is None:
        findings.say("dating.trust")
        return
    for record in case.records.values():
        if record.value is not None:
            with findings.about("dating", record.name, record=record.seq):
                _check(case, record)


def _check(case: Case, record: Record) -> None:
    claimed, token = event_time(record), proven(case, record)
    if token is None or is_own(case, token):
        raise Said("dating.none", claimed=shown(claimed))
    is_close = token.at - token.accuracy <= claimed + _PROMISED or _follows_from_term(case, record, claimed)
    case.dated[record.seq] = Dated(token.at, is_close)
    said = {"record": record.seq, "claimed": shown(claimed), "proven": shown(token.at)}
    case.findings.say("dating.ok" if is_close else "dating.late", record.name, **said)


def _follows_from_term(case: Case, record: Record, claimed: datetime) -> bool:
    """Whether it is the end of a term that was proven to be stated before."""
    term = terms.term_of(list(case.records.values()), record) if record.event in ORDER["expiry"] else None
    if term is None or claimed != term.end_at:
        return False
    token = proven(case, term.stated)
    return token is not None and not is_own(case, token) and token.at <= claimed
