"""Bounces that have no report for programs, read by their general shape: our recipient, and what is said of him.

For ``mail/bounces``, of mails that a mail system sent. They name recipients in a text, each with its reason in the lines
behind, and then quote the mail. Only what is said of our recipient is read: with several of them the others' addresses
and reasons are nobody's business. Forms: qmail's QSBMF, Exim, old Sendmail and Postfix, Exchange and Notes, gateways, and
the sentences of large providers in several languages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sealpost.mail import incoming
from sealpost.mail.delivery_status import same_address
from sealpost.mail.incoming import Incoming, clean

_MOST_LINES, _MOST_WORDS, _LINE = 400, 1000, 500
_ADDRESS = re.compile(r"[^\s<>()\[\]\",;:@]{1,64}@[^\s<>()\[\]\",;:@]{1,255}")
_QUOTED = re.compile(
    r"""^[\s>*=_]{0,10}(?:-{3,80}[^-]{0,80}(?:copy|original|returned|message|unsent|below|header|enthält|kopie|origin|bericht)
    |(?:the\s+)?(?:original|returned)\s+message\s+(?:follows|header|body|--)|message\s+header(?:s)?\s+(?:follow|for)|headers?\s+(?:of|from)\s+(?:the|your)\s+(?:original\s+)?message
    |below\s+this\s+line|(?:this\s+is\s+)?a\s+copy\s+of\s+(?:the|your)\s+message|-{2,80}\s?(?:undelivered|unsent|original|begin|start)
    |the\s+(?:header|text|first\s+\d+\s+lines)\s+of\s+(?:the|your)\s+(?:original\s+)?(?:message|mail)|(?:unsent|undelivered)\s+message\s+follows
    |im\s+folgenden\s+[^.]{0,60}(?:mail|nachricht)|originalnachricht|message\s+original|oorspronkelijk\s+bericht|(?:received|return-path):\s)""",
    re.IGNORECASE | re.VERBOSE,
)
_FIELD = re.compile(r"^\s*(?:message-id|status|subject|date|from|to|cc|received|return-path|reply-to|x-[\w-]+|content-[\w-]+|mime-version|reporting-mta|arrival-date|final-recipient|original-recipient|remote-mta|action|sender|recipient[s]?)\s*:", re.IGNORECASE)  # fmt: skip
_REPLY = re.compile(r"(?<![\d.#-])([245]\d\d)(?:[ -]+#?([245]\.\d{1,3}\.\d{1,3}))?(?=[ :-]|$)")
_CODE = re.compile(r"(?<![\d.])[45]\d\d[ :-]")
_ENHANCED = re.compile(r"(?<![0-9.])([45]\.\d{1,3}\.\d{1,3})(?![0-9.])")
_CONTINUED = re.compile(r"(?<![0-9.])([45][0-9]{2})-")
_LATER = re.compile(
    r"(?:will|shall|(?<!not\s)going\s+to)\s+(?:continue|keep|be\s+retried|retry|try|attempt)|(?:still|keep)\s+trying|retr(?:y|ied|ies)\s+(?:for|until|every)|no\s+action\s+is\s+(?:required|needed)"
    r"|(?:do|need)\s+not\s+(?:need\s+to\s+)?re-?send|not\s+yet\s+been\s+delivered|has\s+been\s+delayed|delivery\s+(?:is\s+|has\s+been\s+)?(?:temporarily\s+)?(?:delayed|suspended)|message\s+delayed"
    r"|delivery\s+status\s+notification\s+\(delay\)|warning:\s+(?:could|message|mail)|this\s+is\s+a\s+warning\s+message\s+only|(?:noch|weiter(?:hin)?)\s+(?:versuch|zuzustellen)|wird\s+weiter\s+versucht"
    r"|verzögert|vertraagd|blijven\s+proberen|nogmaals\s+geprobeerd|retard[ée]e?|sera\s+retent|nouvelle\s+tentative|temporarily\s+deferred",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(
    r"giv(?:e|en|ing)\s+up|given\s+up|no\s+further\s+(?:attempts?|tries)|returned\s+to\s+(?:the\s+)?sender|permanent|fatal|retry\s+time(?:out)?\s+(?:exceeded|not\s+reached)"
    r"|queue\s+too\s+long|too\s+long\s+in\s+(?:the\s+)?queue|in\s+the\s+queue\s+too\s+long|not\s+going\s+to\s+try|expired|endgültig|definitief|définitif|has\s+failed|(?:i\s+)?wasn'?t\s+able\s+to|will\s+not\s+be\s+(?:retried|delivered)",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"(?:could|can|did|was|were|is|are|has|have)(?:\s+not|n'?t)\s+(?:be(?:en)?\s+)?(?:deliver|sent|reach|found|able|accept|process|complete)|cannot\s+be\s+(?:deliver|sent)|undeliver|not\s+deliver|non-?deliver"
    r"|fail(?:ed|ure|s)|unknown|no\s+such|does(?:\s+not|n'?t)\s+(?:exist|like)|not\s+(?:exist|found|listed|known|accept|allowed)|invalid|reject|refus|return(?:ed|ing)\s+(?:mail|to|message)|unable\s+to"
    r"|timed\s+out|time-?out|refused|\bvol(?:l)?\b|\bplein(?:e)?\b|saturée|\bllen[oa]\b|\bchei[oa]\b|\bpien[oa]\b"
    r"|error|denied|bounced|quota|full|exceed|disabled|inactive|suspended|unroute|unreachable|bad\s+(?:address|destination)|blocked|too\s+(?:large|big|many)|didn'?t\s+reach|did\s+not\s+reach|problem"
    r"|unzustellbar|nicht\s+zugestellt|nicht\s+(?:zustellen|erreich|gefunden|vorhanden|existier)|fehlgeschlagen|unbekannt|onbestelbaar|niet\s+(?:worden\s+)?(?:afgeleverd|bezorgd|afleveren|bekend|gevonden)|mislukt|onbekend"
    r"|n.a\s+pas\s+pu|impossible|non\s+(?:remis|distribu|livr)|échec|échou|inconnu|inexistant|introuvable|no\s+se\s+(?:ha\s+podido|pudo|puede)|desconocid|rechazad|devuelt|não\s+(?:foi|pôde|existe)|desconhecid"
    r"|non\s+(?:è\s+stato|recapitat|esiste)|mancata\s+consegna|sconosciut|не\s+(?:был|доставлен|найден|существует)|недоступен|送信できません|届けられません|存在しません|見つかりません|エラー|不明|退信|失败|无法投递|不存在|被拒",
    re.IGNORECASE,
)  # fmt: skip


_STRONG = re.compile(
    r"deliver|failure\s+notice|returned\s+(?:mail|to)|mail\s?(?:box)?[^.\n]{0,40}(?:fail|return|full|unknown|quota|error|system)|user\s+unknown|unknown\s+(?:user|address|recipient|host)|did\s+not\s+reach|could\s+not\s+be\s+reached|erreicht"
    r"|zustell|bezorg|aflever|afgelever|bestelbaar|remis|distribu|entreg|recapit|достав|送信|届け|退信|失败|delivery|quota|blocked|rejected|bounce",
    re.IGNORECASE,
)
"""One of these stands in every bounce; *failed* alone stands in many mails of systems."""
_REASON = re.compile(
    r"^\s*(?:reason|reden|grund|raison|motivo|motif|diagnostic|error(?:\s+message)?|fehler(?:meldung)?|原因|理由|退信原因|ошибка)\s*[:\uff1a]\s*\S",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(
    r"[:\uff1a]\s*$|following\s+(?:address|recipient|destination)|one\s+or\s+more|some\s+or\s+all|folgende[nr]?\s+empfänger|volgende\s+ontvanger|suivant",
    re.IGNORECASE,
)
"""What leads to the list of recipients, and says nothing of one of them."""
_ROLES = re.compile(
    r"(?:postmaster|abuse|support|help(?:desk)?|admin\w*|noc|security|unblock\w*|delist\w*|removal|contact|mailer-daemon)$",
    re.IGNORECASE,
)
_TAIL = re.compile(r"\s*<[^<>@]*#?[45]\.\d{1,3}\.\d{1,3}[^<>@]*>\s*")
"""Exchange's code, in the line behind its sentence."""


@dataclass(frozen=True, slots=True)
class TextBounce:
    """What a text says of our recipient: whether it failed or is late, in which words, with which enhanced code."""

    kind: Literal["failed", "delayed"]
    words: str
    status: str


def read_text_bounce(message: Incoming, rcpt_to: str) -> TextBounce | None:
    """What a mail of a mail system says of our recipient in its own words, or None: nothing that is clear.

    Args:
        message: it comes from a mail system.
        rcpt_to: the recipient of our mail.
    """
    lines = _own_lines(message)
    about = _about(lines, rcpt_to, message.text("x-failed-recipients"))
    if about is None:
        return None
    subject = incoming.subject_of(message)
    words, status = find_words(about, rcpt_to)
    context = "\n".join(about)
    kind = _kind(f"{subject}\n{context}", words, "\n".join([subject, *lines]))
    return TextBounce(kind, words, status) if kind else None


def words_of_part(message: Incoming, rcpt_to: str) -> str:
    """What a report's part for people says of our recipient, where its part for programs has no words."""
    lines = _own_lines(message)
    about = _about(lines, rcpt_to, "")
    return find_words(about, rcpt_to)[0] if about else ""


def _own_lines(message: Incoming) -> list[str]:
    """The lines of the text before it quotes the mail."""
    found: list[str] = []
    for line in incoming.text_of(message).splitlines()[:_MOST_LINES]:
        if _QUOTED.match(line[:_LINE]) and any(one.strip() for one in found):
            break
        found.append(line[:_LINE])
    return found


def _addresses(line: str) -> list[str]:
    return [one.strip(".'`\"*!?") for one in _ADDRESS.findall(line)]


def _is_ours(address: str, rcpt_to: str) -> bool:
    """Whether an address is our recipient's, perhaps as a server behind the domain calls it."""
    if same_address(address, rcpt_to):
        return True
    local, _, domain = address.rpartition("@")
    our_local, _, our_domain = rcpt_to.rpartition("@")
    below = domain.lower().endswith(f".{our_domain.lower()}") or our_domain.lower().endswith(f".{domain.lower()}")
    return local.lower() == our_local.lower() and below


def _about(lines: Sequence[str], rcpt_to: str, failed: str) -> list[str] | None:
    """The lines that are about our recipient: all, where nobody else is named as one; else those from his to the next one's."""
    named = {number: found for number, line in enumerate(lines) if (found := _addresses(line))}
    ours = [number for number, found in named.items() if any(_is_ours(one, rcpt_to) for one in found)]
    if not ours:
        alone = [one for one in _addresses(failed) if one]
        return list(lines) if alone and all(_is_ours(one, rcpt_to) for one in alone) else None
    others = [
        number for number, found in named.items() if number not in ours and _names_a_recipient(lines[number], found)
    ]
    if not others:
        return list(lines)
    first = ours[-1] if _starts(lines[ours[-1]]) else ours[0]
    end = next((number for number in others if number > first), len(lines))
    return list(lines[first:end])


def _names_a_recipient(line: str, found: Sequence[str]) -> bool:
    """Whether a line begins with an address, or is about one that failed, rather than about whom to ask."""
    helper = re.search(
        r"postmaster|mailer-daemon|abuse@|support@|help|contact|kontakt|hostmaster|admin|from:|sender|message-id",
        line,
        re.IGNORECASE,
    )
    return not helper and (_starts(line) or bool(_FAILED.search(line))) and bool(found)


def _starts(line: str) -> bool:
    return bool(
        re.match(
            r"\s*(?:[-*•>]+\s*)?(?:(?:rcpt\s+to|to|recipient|address|user|empfänger|ontvanger|destinataire)\s*:?\s*)?[<\"'(]?[^\s<>@]{1,64}@",
            line,
            re.IGNORECASE,
        )
    )


def _kind(said: str, words: str, everything: str) -> Literal["failed", "delayed"] | None:
    code = _REPLY.search(words)
    later = bool(_LATER.search(said) or _LATER.search(everything))
    given_up = bool(_GIVEN_UP.search(said))
    if later and not given_up:
        return "delayed"
    if later and not (code and code[1].startswith("5")):
        return (
            "delayed"
            if not re.search(r"giv(?:e|ing|en)\s+up|returned\s+to|has\s+failed", said, re.IGNORECASE)
            else "failed"
        )
    return "failed" if code or given_up or (_FAILED.search(said) and _STRONG.search(said)) else None


def find_words(lines: Sequence[str], rcpt_to: str) -> tuple[str, str]:
    """The server's reply in a text, whole, else the sentence that says why; and the enhanced code in it.

    Args:
        lines: about our recipient alone.
        rcpt_to: he; lines with other addresses are left out.
    """
    kept = [
        line
        for line in lines
        if not _FIELD.match(line) and all(_is_nobody_else(one, rcpt_to) for one in _addresses(line))
    ]
    for number, line in enumerate(kept):
        if _CODE.search(line) or _ENHANCED.search(line):
            before = [kept[number - 1].strip()] if number and _TAIL.fullmatch(line) else []
            reply = [*before, line.strip(), *_further(line, kept[number + 1 :])]
            codes = [found[-1] for one in reversed(reply) if (found := _ENHANCED.findall(one))]
            return clean(" ".join(reply), 4000), codes[0] if codes else ""
    return clean(_sentence(kept, rcpt_to), _MOST_WORDS), ""


def _is_nobody_else(address: str, rcpt_to: str) -> bool:
    return _is_ours(address, rcpt_to) or bool(_ROLES.match(address.partition("@")[0]))


def _sentence(lines: Sequence[str], rcpt_to: str) -> str:
    """What stands beside our recipient's address in a list, else behind it, else the first line that sounds like a reason."""
    ours = [number for number, line in enumerate(lines) if any(_is_ours(one, rcpt_to) for one in _addresses(line))]
    beside = [
        lines[number]
        for number in ours
        if _starts(lines[number].lstrip(" *")) and _FAILED.search(_ADDRESS.sub("", lines[number]))
    ]
    behind = [
        text
        for number in ours
        if _starts(lines[number]) and (text := _block(lines[number + 1 :])) and _FAILED.search(text)
    ]
    lists = [text for number in ours if _starts(lines[number]) and (text := _block(lines[number + 1 :]))]
    reasons = [line for line in lines if _REASON.match(line)]
    sounding = [line for line in lines if _FAILED.search(line) and not _INTRODUCTION.search(line)]
    said = [
        *beside,
        *reasons,
        *behind,
        *sounding,
        *(text for text in lists if not _INTRODUCTION.search(text)),
        *(line for line in lines if _FAILED.search(line)),
    ]
    return said[0].strip() if said else ""


def _block(lines: Sequence[str]) -> str:
    """The lines up to the next empty one; one empty line may stand before them."""
    found: list[str] = []
    for number, line in enumerate(lines):
        if line.strip():
            found.append(line.strip())
        elif found or number:
            break
    return " ".join(found)


def _further(first: str, following: Sequence[str]) -> list[str]:
    """The lines of a reply after its first: those with its code (RFC 5321, 4.2.1), or set in as far, as in a list."""
    found: list[str] = []
    begun = _CONTINUED.search(first)
    depth = len(first) - len(first.lstrip())
    for line in following:
        more = begun and re.match(rf"\s*{begun[1]}([ -]|$)", line)
        inset = not begun and line.strip() and len(line) - len(line.lstrip()) >= max(depth, 1)
        if not more and not inset:
            break
        found.append(line.strip())
        if more and more[1] != "-":
            break
        if len(found) > 20:
            break
    return found
