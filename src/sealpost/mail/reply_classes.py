"""The one table of classes: what a server's reply, or a bounce that quotes one, is about.

For ``mail/replies`` (a conversation of ours) and ``mail/bounces`` (what others were told). Pure. The words of servers are
data, ``reply_phrases.toml``; what each class means is published in docs/bounces.md. Clauses: RFC 5321 4.2 (replies),
RFC 3463 and the registry of RFC 5248 (enhanced codes), RFC 7504 (521 and 556), RFC 7505 (null MX), RFC 6647 (greylisting).

What says more counts more: words that can mean but one thing, then an exact enhanced code, then words that many use for
many things, then the enhanced code's subject, then the plain code. Words never say what their code excludes (``_CODES``).
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, get_args

from sealpost.mail.transport import Reason, Stage

_LIMIT = 4000
# Whatever words may make of a code that says little; the verifier's rules have the same table (``classesOfEnhanced``).
_ANY: tuple[Reason, ...] = ("unknown", "full", "too_large", "content", "policy", "reputation", "server", "other")
_ADDRESS: tuple[Reason, ...] = ("unknown", "policy", "reputation", "server")
_SENDER: tuple[Reason, ...] = ("policy", "reputation", "server")
# Subject and detail → its class, then what words may make of it; a subject alone is the rule for its other details.
_CODES: dict[str, tuple[Reason, ...]] = {
    "0": ("other", *_ANY),
    "1": ("unknown", *_ANY),
    "1.1": _ADDRESS,
    "1.2": _ADDRESS,
    "1.3": _ADDRESS,
    "1.4": _ADDRESS,
    "1.6": _ADDRESS,
    "1.7": _SENDER,  # about us, not about the recipient
    "1.8": _SENDER,
    "1.10": _ADDRESS,  # takes no mail (null MX); Exchange says it of mailboxes
    "2": ("other", *_ANY),
    "2.1": ("unknown", "full", "policy", "reputation", "server"),
    "2.2": ("full", "policy", "reputation", "server"),
    "2.3": ("too_large", "full", "policy"),
    "2.4": ("server", "unknown", "policy", "other"),  # a list that could not be expanded
    "3": ("server", *_ANY),
    "3.4": ("too_large", "full", "policy"),
    "4": ("server", *_ANY),  # behind the server that says so
    "5": ("other", *_ANY),
    "6": ("content", "too_large", "policy", "reputation"),
    "7": ("policy", *_ANY),
    "7.13": ("unknown", "policy"),  # the account is disabled
    "7.16": ("too_large", "policy"),  # for the mail's priority (RFC 6710)
    "7.17": ("unknown", "policy"),  # the mailbox has another owner (RFC 7293)
    "7.18": ("unknown", "policy"),  # the domain has another owner
    "7.20": ("policy", "reputation", "content"),  # signatures and SPF (RFC 7372), as far as 7.24
    "7.21": ("policy", "reputation", "content"),
    "7.22": ("policy", "reputation", "content"),
    "7.23": ("policy", "reputation", "content"),
    "7.24": ("policy", "reputation", "content"),
    "7.25": ("reputation", "policy"),  # no reverse DNS
    "7.26": ("policy", "reputation", "content"),  # several checks of the sender's domain
    "7.28": ("reputation", "policy"),  # a flood of mail from us
}
_BARE: dict[int, Reason] = {
    421: "server",
    422: "full",
    431: "server",
    432: "policy",
    451: "server",
    452: "server",
    454: "policy",
    455: "server",
    510: "unknown",
    511: "unknown",
    512: "unknown",
    513: "unknown",
    521: "server",
    522: "full",
    523: "too_large",
    525: "unknown",
    530: "policy",
    534: "policy",
    535: "policy",
    538: "policy",
    541: "policy",
    550: "unknown",
    551: "unknown",
    552: "full",
    553: "unknown",
    554: "policy",
    556: "unknown",
    571: "policy",
}
# At RCPT, and where the stage is not known, 550 and its like are about the mailbox; at the others they are not.
_BARE_ELSEWHERE: dict[int, Reason] = {550: "policy", 551: "policy", 552: "too_large", 553: "policy", 525: "policy"}
_BEFORE_RCPT: frozenset[Stage] = frozenset({"route", "connect", "greeting", "ehlo", "starttls", "auth", "mail"})
_OF_RECIPIENTS: frozenset[Reason] = frozenset({"unknown", "full"})
_GREYLISTING_CODES = (450, 451)

_ADDRESS_TEXT = re.compile(r"<?[^\s<>@]{1,64}@[^\s<>@:;,()\[\]]{1,255}>?")
_PREFIX = re.compile(r"(?<![\w.])(?:[245]\d\d[ -]|#?[245]\.\d{1,3}\.\d{1,3}(?![\w.]))")
_INNER_CODE = re.compile(r"\(?#([245]\.[0-7]\.\d{1,3})(?!\.?\d)")
_REPLY = re.compile(
    r"(?<![\d.:-])([45]\d\d)(?=[ :-]|$)(?! ?(?:[kmg]?b|bytes|octets|s|sec|seconds|minutes|hours|days|messages|users)\b)(?:[ :-]+\(?#?([45]\.[0-7]\.\d{1,3})(?!\.?\d))?"
)
_LONE_CODE = re.compile(r"(?<![\w.])#?([45]\.[0-7]\.\d{1,3})(?!\.?\d)")
# What stands beside a reply that is told: Postfix and Exim, qmail, Sendmail and others that show what they sent.
_BESIDE: tuple[tuple[Stage, str], ...] = (
    (
        "dot",
        r"(?:reply to|while sending|after|for) (?:end of data|transfer of mail text|text command)|after I sent the message|>>> ?\.(?!\S)",
    ),
    ("rcpt", r"(?:reply to|while sending|after)(?: pipelined)? rcpt|not like recipient|>>> ?rcpt"),
    ("data", r"(?:reply to|while sending|after)(?: pipelined)? data|>>> ?data"),
    ("mail", r"(?:reply to|while sending|after)(?: pipelined)? mail|sender was rejected|>>> ?mail"),
    ("ehlo", r"(?:reply to|while sending|after) (?:ehlo|helo)|my name was rejected|>>> ?(?:ehlo|helo)"),
    ("greeting", r"after initial connection|refused to talk to me|greeting failed|while receiving the initial"),
)
_STAGES: tuple[tuple[Stage, re.Pattern[str]], ...] = tuple(
    (stage, re.compile(pattern, re.IGNORECASE)) for stage, pattern in _BESIDE
)
_IP_ADDRESS = re.compile(r"\[?(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)\]?")
_QUOTES = str.maketrans(dict.fromkeys("\"'`´‘’‚“”„«»<>", " "))  # noqa: RUF001 - as servers write them
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Rule:
    """Phrases that servers say for one class.

    Args:
        reason: the class.
        pattern: any of the phrases, in words that were made plain.
        digit: the first digit of the code beside which they count; empty: any.
        stages: of the conversation, in which alone they count; empty: any.
        codes: subject and detail of the enhanced codes beside which alone they count; empty: any, or none.
        exact: they can mean but one thing; others give way to an exact code.
        unanswered: they count only where no server answered.
    """

    reason: Reason
    pattern: re.Pattern[str]
    digit: str
    stages: frozenset[str]
    codes: frozenset[str]
    exact: bool
    unanswered: bool


def class_of(
    words: str, *, code: int | None, enhanced: str | None, stage: Stage | None, answered: bool = True
) -> Reason:
    """What a refusal or a delay is about (contract 6, status 40; evidence 1, ``class``).

    Args:
        words: what was said, with or without the codes; the first 4,000 characters count.
        code: the reply's three digits, or None where nobody gave a reply.
        enhanced: its enhanced code (RFC 3463), such as ``5.1.1``, or None.
        stage: of the conversation, or None where that is not known.
        answered: a server of the recipient said so. It is never ``unreachable`` then.
    """
    plain = plain_words(words)
    if enhanced is None and (inner := _INNER_CODE.search(words[:_LIMIT])):
        enhanced = inner[1]  # qmail writes it behind the words
    reason = _decided(plain, code, enhanced, stage, answered=answered)
    if stage in _BEFORE_RCPT and reason in _OF_RECIPIENTS:
        return "policy"  # nobody has been named yet whom it could be about
    return reason


def class_in_bounce(status: str, words: str) -> Reason:
    """The class of what a bounce tells: the code of the server that refused counts before the reporter's own.

    Args:
        status: the reporter's enhanced code, or empty (RFC 3464, 2.3.4).
        words: of the server that refused, or of the reporter where none answered; with the codes, if there are any.
    """
    words = words[:_LIMIT]
    last = max(words.rfind(one) for one in ("->", "LED="))  # Exchange: what the server behind it said
    found = _REPLY.search(words, max(last, 0)) or _REPLY.search(words)
    code, enhanced = (int(found[1]), found[2]) if found else (None, None)
    if not enhanced and (lone := _LONE_CODE.search(words)):
        enhanced = lone[1]
    if code and not enhanced and (exact := _said(plain_words(words), _counting(str(code)[0], "", None, answered=True))):
        return exact  # the words of the server that refused count before the code that the reporter made of them
    if not enhanced and (not code or status[2:4] != "4."):
        enhanced = status or None
    # What is reported of the way to the next server may have the form of a reply of that server.
    answered = code is not None and (enhanced or "")[2:4] != "4."
    return class_of(words, code=code, enhanced=enhanced, stage=stage_of(words), answered=answered)


def stage_of(words: str) -> Stage | None:
    """Where in a conversation it was said, as the reporter tells it, or None."""
    return next((stage for stage, pattern in _STAGES if pattern.search(words[:_LIMIT])), None)


def plain_words(words: str) -> str:
    """Words as phrases are compared: small letters without accents; no mail addresses, quotes and codes of lines."""
    text = _IP_ADDRESS.sub("ipaddress", _ADDRESS_TEXT.sub(" ", words[:_LIMIT]))
    text = _PREFIX.sub(" ", text)
    letters = unicodedata.normalize("NFKD", text.translate(_QUOTES).casefold())
    return _SPACES.sub(" ", "".join(one for one in letters if not unicodedata.combining(one))).strip()


def _decided(plain: str, code: int | None, enhanced: str | None, stage: Stage | None, *, answered: bool) -> Reason:
    digit = enhanced[0] if enhanced else str(code)[0] if code else ""
    detail = enhanced[2:] if enhanced else ""
    if exact := _said(plain, _counting(digit, detail, stage, answered=answered)):
        return exact
    if detail == "7.1" and code in _GREYLISTING_CODES and stage == "rcpt":
        return "greylisted"
    if detail in _CODES and "." in detail:
        return _CODES[detail][0]
    vague = _said(plain, _counting(digit, detail, stage, answered=answered, exact=False))
    return vague or _of_code(code, detail, stage, answered=answered)


def _counting(digit: str, detail: str, stage: Stage | None, *, answered: bool, exact: bool = True) -> Iterator[Rule]:
    """The rules whose words count beside a code."""
    allowed = {*_allowed(detail), "greylisted", "unreachable"} - (
        _OF_RECIPIENTS if stage in _BEFORE_RCPT and not exact else set()
    )
    for rule in _RULES:
        beside = (not rule.codes or detail in rule.codes) and (not rule.stages or stage in rule.stages)
        beside = beside and rule.digit in {"", digit} and not (rule.unanswered and answered)
        if beside and rule.exact == exact and rule.reason in allowed:
            yield rule


def _said(plain: str, rules: Iterable[Rule]) -> Reason | None:
    return next((one.reason for one in rules if one.pattern.search(plain)), None)


def _allowed(detail: str) -> tuple[Reason, ...]:
    return (_CODES.get(detail) or _CODES.get(detail.partition(".")[0]) or _ANY) if detail else _ANY


def _of_code(code: int | None, detail: str, stage: Stage | None, *, answered: bool) -> Reason:
    """Where words say nothing: the enhanced code's subject, else the plain code."""
    subject = detail.partition(".")[0]
    if (
        subject == "4" and not answered and (code is None or detail == "4.7")
    ):  # who queues it says that its time is over
        return "unreachable"
    if subject and (subject != "0" or code is None):
        return _CODES.get(subject, ("other",))[0]
    if code is None:
        return "other"
    elsewhere = stage not in {None, "rcpt"}
    return (_BARE_ELSEWHERE.get(code) if elsewhere else None) or _BARE.get(code, "other")


def _rules() -> tuple[Rule, ...]:
    table: dict[str, Any] = tomllib.loads(files("sealpost.mail").joinpath("reply_phrases.toml").read_text("utf-8"))
    return tuple(_rule(one) for one in table["rule"])


def _rule(one: dict[str, Any]) -> Rule:
    if one["class"] not in get_args(Reason):
        raise ValueError(f"no such class: {one['class']}")
    return Rule(
        reason=one["class"],
        pattern=re.compile("|".join(_phrase(phrase) for phrase in one["phrases"])),
        digit=one.get("digit", ""),
        stages=frozenset(one.get("stages", [])),
        codes=frozenset(one.get("codes", [])),
        exact=one.get("exact", True),
        unanswered=one.get("unanswered", False),
    )


def _phrase(phrase: str) -> str:
    """A phrase as pattern: whole words but where it ends or begins with ``*``; `` * `` within is a few words, once."""
    open_left, open_right = phrase.startswith("*"), phrase.endswith("*")
    text = ".{0,60}?".join(re.escape(plain_words(one)) for one in phrase.strip("*").split(" * "))
    return ("" if open_left else "(?<![a-z0-9])") + text + ("" if open_right else "(?![a-z0-9])")


_RULES = _rules()
