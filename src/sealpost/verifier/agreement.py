"""Whether each record agrees with itself (evidence format, section 6): event, reply, dialogue, envelope, reasons, acts.

What an event may say stands in the rules. Records of the first form (`oldForms`) are read as they were written: a mail's
purpose as first reason of whatever it was, the last line of a reply alone; there a class that does not fit is a remark.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from sealpost.verifier.case import CLOCK, Case, Record, an_object, event_time, instant, recorded_at
from sealpost.verifier.dialogue import Dialogue, Reply, octets_of_text, read_dialogue
from sealpost.verifier.report import Said
from sealpost.verifier.tables import RULES

_RULES: dict[str, Any] = RULES["agreement"]
_LONGEST_DOMAIN = 255
_PATH = re.compile(r"(?:MAIL FROM|RCPT TO):<([^>]*)>(?: [\s\S]*)?", re.IGNORECASE)
_CODE = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_ENHANCED = re.compile(r"[0-9]{3}[ -]([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")


def check(case: Case) -> None:
    """Says agreement of every record whose event is known."""
    for record in case.records.values():
        if record.value is None or not record.event:
            continue  # said by the check of the form
        with case.findings.about("agreement", record.name, record=record.seq):
            _require_reasons(record)
            _require_act(record)
            _require_report(record)
            _require_mail(case, record)
            case.findings.say("agreement.ok", record.name, record=record.seq)


def member_of(record: Record, name: str) -> dict[str, Any] | None:
    """An object of the extension, or None.

    Raises:
        ValueError: something else stands there.
    """
    return an_object(record.extension[name]) if name in record.extension else None


def _refuse_if(truth: object, code: str, /, **values: object) -> None:
    if truth:
        raise Said(f"agreement.{code}", **{name: str(value)[:200] for name, value in values.items()})


def _text(members: dict[str, Any], name: str) -> str:
    """A text, or empty where there is none."""
    return found if isinstance(found := members.get(name), str) else ""


def _shown(octets: str) -> str:
    """Octets for people."""
    return octets.encode("latin-1").decode("utf-8", "replace")


def _is_old(record: Record) -> bool:
    return record.extension.get("suite") in _RULES["oldForms"]


# Reasons


def _require_reasons(record: Record) -> None:
    """A refusal, a failure and an expiry have their reason, nothing else has one."""
    told, event = reasons_of(record), record.event
    if event in _RULES["failures"]:
        _refuse_if(not [one for one in told if one in _RULES["classes"]], "reasonless", event=event)
    allowed = _allowed(record)
    wrong = [one for one in told if one not in allowed]
    _refuse_if(wrong, "reason", event=event, code=", ".join(wrong))
    needed = _RULES["reasons"].get(event, [])
    _refuse_if(needed and needed[0] not in told, "reasonless", event=event)
    claimed = _claimed_class(record)
    if event in _RULES["failures"] and claimed:
        _refuse_if(claimed not in told, "reason", event=event, code=", ".join(told))


def class_of_failure(record: Record) -> str:
    """Why it failed, for the time line: a class of the rules; empty where nothing failed, or none can be read."""
    try:
        known = [one for one in reasons_of(record) if one in _RULES["classes"]]
        named = known or [_claimed_class(record)]
    except (TypeError, ValueError, KeyError, AttributeError):
        return ""
    return named[0] if record.event in _RULES["failures"] and named[0] in _RULES["classes"] else ""


def reasons_of(record: Record) -> list[str]:
    """Codes without the issuer's address; of an old record without the purpose that stands first.

    Raises:
        ValueError, TypeError, KeyError: they have another form.
    """
    given = an_object((record.value or {}).get("EventReasons", {"EventReason": []}))["EventReason"]
    codes = [str(an_object(one)["Code"]).rpartition("#")[2] for one in given]
    return codes[1:] if _is_old(record) and codes[:1] and codes[0] in _RULES["about"].get(record.event, []) else codes


def _allowed(record: Record) -> list[str]:
    event, allowed = record.event, list[str](_RULES["reasons"].get(record.event, []))
    if event in _RULES["failures"]:
        allowed += _RULES["classes"]
    return allowed + _RULES["oldReasons"].get(event, []) if _is_old(record) else allowed


def _claimed_class(record: Record) -> str:
    return _text(member_of(record, "bounce") or member_of(record, "smtp") or {}, "class")


# Acts on pages, mails that came back


def _require_act(record: Record) -> None:
    act, web = _RULES["acts"].get(record.event), member_of(record, "web")
    if act and (web is not None or not _is_old(record)):
        _refuse_if(_text(web or {}, "act") != act, "act", event=record.event, act=_text(web or {}, "act") or "-")


def _require_report(record: Record) -> None:
    bounce, rule = member_of(record, "bounce"), _RULES["bounces"].get(record.event)
    _refuse_if(record.event in _RULES["reports"] and bounce is None, "unanswered", event=record.event)
    if bounce is None:
        return
    action, status = _text(bounce, "action"), _text(bounce, "status")
    _refuse_if(rule is None or (action and action != rule["action"]), "report", event=record.event, action=action)
    digits = rule["status"] if rule else ""
    _refuse_if(status and status[0] not in digits, "report", event=record.event, action=status)
    _refuse_if(not _is_positive(bounce.get("attempt")), "attempt", attempt=bounce.get("attempt"))
    _refuse_purpose(record, bounce.get("attempt"))


def _is_positive(value: object) -> bool:
    return type(value) is int and value >= 1


def _refuse_purpose(record: Record, attempt: object) -> None:
    """What the record says of the mail that is meant, in the newer form."""
    mail = member_of(record, "mail")
    if mail is not None:
        purpose = _text(mail, "purpose")
        _refuse_if(purpose not in _RULES["about"].get(record.event, []), "purpose", event=record.event, purpose=purpose)
        _refuse_if(mail.get("attempt") != attempt, "attempt", attempt=mail.get("attempt"))


# The attempt at a mail


def _require_mail(case: Case, record: Record) -> None:
    smtp, value, event = member_of(record, "smtp"), record.value or {}, record.event
    host, forwarded = _text(smtp or {}, "host"), _text(value, "ForwardedToExternalSystem")
    wanted = host if event in _RULES["forwarded"] else ""
    _refuse_if(forwarded != wanted, "forwarded", forwarded=forwarded or "-", host=wanted or "-")
    _refuse_if(event in _RULES["answered"] and not (smtp and octets_of_text(smtp, "final")), "unanswered", event=event)
    if smtp is None:
        return
    _refuse_if(not _is_positive(smtp.get("attempt")), "attempt", attempt=smtp.get("attempt"))
    _require_earlier(smtp, event_time(record))
    _refuse_purpose(record, smtp.get("attempt"))
    _require_recipient(value, smtp)
    _require_host(smtp)
    _require_dialogues(record, smtp)
    _require_answer(case, record, smtp)
    _require_header(case, record, smtp)


def _require_earlier(smtp: dict[str, Any], at: Any) -> None:
    for one in smtp.get("earlier", []):
        number = an_object(one).get("attempt")
        _refuse_if(not _is_positive(number) or number >= smtp["attempt"], "attempt", attempt=number)
        _refuse_if(instant(one.get("at")) > at + CLOCK, "time", time=one.get("at"), line=f"{number}")


def _require_recipient(value: dict[str, Any], smtp: dict[str, Any]) -> None:
    """The envelope has the recipient's address as servers want it: the domain in small letters and A-labels."""
    person = value["RecipientDetails"][value["EvidenceRefersToRecipient"] - 1]
    given, to = _text(person["Identifier"], "value"), _text(smtp, "rcptTo")
    _refuse_if(not written_forms(given) & written_forms(to), "recipient", recipient=given, envelope=to)


def written_forms(address: str) -> set[str]:
    """How servers may be given an address: NFC before the ``@``, small letters and A-labels behind it.

    The A-labels of some domains (of those with ß, for instance) differ between IDNA 2003 and UTS 46; either is right.
    """
    local, _, domain = address.rpartition("@")
    if len(domain) > _LONGEST_DOMAIN:
        return set()
    forms = {domain.lower()} if domain.isascii() else {_idna_2003(domain), _punycoded(domain)}
    return {f"{unicodedata.normalize('NFC', local)}@{form}" for form in forms if form}


def _idna_2003(domain: str) -> str:
    try:
        return domain.encode("idna").decode().lower()
    except UnicodeError:
        return ""


def _punycoded(domain: str) -> str:
    """As UTS 46 maps it, as far as that can be had without its table: letters folded, but for those that it keeps."""
    plain = unicodedata.normalize("NFKC", domain.replace("ẞ", "ß")).replace("\u3002", ".")
    folded = "".join(letter if letter in "ßς" else letter.casefold() for letter in plain)
    labels = unicodedata.normalize("NFKC", folded).split(".")
    return ".".join(one if one.isascii() else f"xn--{one.encode('punycode').decode()}" for one in labels)


def _require_host(smtp: dict[str, Any]) -> None:
    """The server is not ourselves, and one that the domain names, where the mail went there directly."""
    host, ours = _name(smtp.get("host")), _name(smtp.get("ourName"))
    if smtp.get("by") == "relay" or not host:
        return
    _refuse_if(host == ours, "host", host=host)
    if "mx" in smtp:
        mx = an_object(smtp["mx"])
        _refuse_if(
            _name(mx.get("domain")) != _name(_text(smtp, "rcptTo").rpartition("@")[2]), "mx", host=mx.get("domain")
        )
        named = [_name(an_object(one).get("host")) for one in mx.get("hosts", [])]
        _refuse_if(host not in named, "mx", host=host)


def _name(value: object) -> str:
    return value.lower().rstrip(".") if isinstance(value, str) else ""


# What was said


def _transcripts(record: Record) -> list[Dialogue]:
    given = an_object((record.value or {}).get("TransactionLogInformation", {"TransactionLog": []}))["TransactionLog"]
    return [read_dialogue(list(an_object(one).get("lines", []))) for one in given]


def _require_dialogues(record: Record, smtp: dict[str, Any]) -> None:
    """Every dialogue is with this recipient, and within the life of the mail."""
    to, latest = octets_of_text(smtp, "rcptTo"), recorded_at(record) + CLOCK
    submitted = instant((record.value or {}).get("SubmissionTime")) - CLOCK
    for dialogue in _transcripts(record):
        for one in dialogue.commands:
            path = _PATH.fullmatch(one.line)
            _refuse_if(
                one.verb == "RCPT" and (path is None or path[1] != to),
                "rcpt",
                line=_shown(one.line),
                envelope=_shown(to),
            )
            late = instant(one.at) > latest or (one.verb in {"MAIL", "RCPT", "."} and instant(one.at) < submitted)
            _refuse_if(late, "time", time=one.at, line=_shown(one.line))
        for reply in dialogue.replies:
            _refuse_if(instant(reply.at) > latest, "time", time=reply.at, line=_shown(reply.lines[-1]))


def _require_answer(case: Case, record: Record, smtp: dict[str, Any]) -> None:
    """The reply that is claimed decided, and is what the event says."""
    final, dialogues, event = octets_of_text(smtp, "final"), _transcripts(record), record.event
    last = dialogues[-1] if dialogues else None
    if not final:
        claimed = [one for one in last.deciding if one.code[0] != "3"] if last and last.size is not None else []
        if last and _is_old(record):  # half a line, within which the connection ended, was not marked as one then
            claimed = [one for one in claimed if one.index < last.length - 1]
        _refuse_if(claimed, "final", final="-", said=_shown(claimed[0].lines[-1]) if claimed else "")
        return
    if last is None or not (last.commands or last.replies):
        raise Said("agreement.dialogue")
    reply = _deciding(record, final, last)
    _require_code(event, reply)
    times, claimed = (
        {one.at for one in last.replies if one.lines[-1] == reply.lines[-1]},
        (record.value or {})["EventTime"],
    )
    _refuse_if(claimed not in times, "moment", time=reply.at, claimed=claimed)
    _require_envelope(smtp, last, event)
    _require_encryption(smtp, last, event)
    _require_class(case, record, smtp, reply)


def _deciding(record: Record, final: str, last: Dialogue) -> Reply:
    """The reply that is claimed: the whole of it, in old records its last line; of one that is too long, its end."""
    lines = final.split("\n")
    for one in last.deciding:
        is_long = sum(len(line) + 1 for line in one.lines) > _RULES["longestReply"]
        fits = list(one.lines) == lines or (_is_old(record) and [one.lines[-1]] == lines)
        if fits or ((is_long or last.is_cut) and _ends_alike(list(one.lines), lines)):
            return one
    said = last.deciding[0].lines[-1] if last.deciding else "-"
    raise Said("agreement.final", final=_shown(lines[-1])[:200], said=_shown(said)[:200])


def _ends_alike(one: list[str], other: list[str]) -> bool:
    shared = min(len(one), len(other))
    return one[-shared:] == other[-shared:]


def _require_code(event: str, reply: Reply) -> None:
    """A 2xx to the final dot for a success; for what failed no reply that is a good one to its command."""
    wanted = _RULES["answers"].get(event, "")
    good = "3" if reply.command == "DATA" else "2"
    if wanted == "2":
        fits = reply.code[0] == "2" and reply.command == "."
    else:
        fits = reply.code[0] in wanted or (wanted == "45" and reply.code[0] != good and reply.command != ".")
    _refuse_if(not fits, "code", event=event, code=reply.code)


def _require_envelope(smtp: dict[str, Any], last: Dialogue, event: str) -> None:
    sender, size = octets_of_text(smtp, "mailFrom"), an_object(smtp.get("sent")).get("size")
    paths = [_PATH.fullmatch(one.line) for one in last.said("MAIL")]
    _refuse_if(any(one is None or one[1] != sender for one in paths), "sender", envelope=_shown(sender))
    _refuse_if(last.size is not None and last.size != size, "size", size=last.size, sent=size)
    if event in _RULES["answered"] and not last.is_cut:
        _refuse_if(not paths or not last.said("RCPT"), "rcpt", line="-", envelope=_text(smtp, "rcptTo"))
    for one in (*last.said("EHLO"), *last.said("HELO")):
        _refuse_if(one.line[5:] != octets_of_text(smtp, "ourName"), "name", line=_shown(one.line))


def _require_encryption(smtp: dict[str, Any], last: Dialogue, event: str) -> None:
    tls, policy = smtp.get("tls"), an_object(smtp.get("policy", {}))
    if not last.is_cut and last.begun >= 0:
        differs = last.is_encrypted is not None and bool(tls) != last.is_encrypted
        _refuse_if(differs and (tls or event in _RULES["answered"]), "tls")
    demanded = policy.get("demanded") is True or policy.get("type") == "demanded"
    demanded = demanded or (policy.get("type") == "dane" and policy.get("mode") != "unusable")
    demanded = demanded or (policy.get("type") == "mta-sts" and policy.get("mode") == "enforce")
    _refuse_if(event in _RULES["answered"] and demanded and not tls, "tls")


def _require_class(case: Case, record: Record, smtp: dict[str, Any], reply: Reply) -> None:
    enhanced, named = smtp.get("enhanced"), _text(smtp, "class")
    shown = {found[1] for line in reply.lines if (found := _ENHANCED.match(line))}
    _refuse_if(enhanced is not None and enhanced not in shown and not _is_long(reply), "enhanced", enhanced=enhanced)
    if _fits_class(named, reply, enhanced):
        return
    _refuse_if(not _is_old(record), "class", code=reply.code, named=named)
    case.findings.remark("remark.class", record=record.seq, code=reply.code, named=named[:60])


def _is_long(reply: Reply) -> bool:
    return sum(len(line) + 1 for line in reply.lines) > _RULES["longestReply"]


def _fits_class(named: str, reply: Reply, enhanced: object) -> bool:
    if reply.code[0] in "23":  # no refusal: taken, or an answer out of place
        return named == ("accepted" if reply.code[0] == "2" and reply.command == "." else "other")
    if named == "greylisted":
        return reply.code[0] == "4"
    if not isinstance(enhanced, str) or not _CODE.fullmatch(enhanced):
        return named != "accepted"
    _, subject, detail = enhanced.split(".")
    table: dict[str, list[str]] = _RULES["classesOfEnhanced"]
    return named in (table.get(f"{subject}.{detail}") or table.get(subject) or table["0"])


# The mail itself, where the bundle holds it


def _require_header(case: Case, record: Record, smtp: dict[str, Any]) -> None:
    """The mail that this record sent has its Message-ID, and is to its recipient."""
    for name, found in case.named("mail"):
        if int(found[1]) == record.seq:
            header = case.members.read(name).partition(b"\r\n\r\n")[0].decode("latin-1").replace("\r\n ", " ")
            fields = [one.partition(":") for one in header.replace("\r\n\t", " ").split("\r\n")]
            ids = [value.strip() for field, _, value in fields if field.lower() == "message-id"]
            _refuse_if(ids != [octets_of_text(smtp, "messageId")], "header", about=name, field="Message-ID")
            to = [value for field, _, value in fields if field.lower() == "to"]
            fits = len(to) == 1 and octets_of_text(smtp, "rcptTo") in to[0]
            _refuse_if(not fits, "header", about=name, field="To")
