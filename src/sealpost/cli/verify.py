"""``sealpost verify``: checks an evidence bundle on any machine; needs the base dependencies only, no network.

Prints findings by check, remarks and a time line of its own; exit 0 all right, 1 something is wrong, 2 nothing is wrong
but not everything is proven, 3 it could not run.
"""

from __future__ import annotations

import argparse
import locale
import sys
from collections.abc import Sequence
from pathlib import Path
from traceback import print_exception
from typing import Any, NoReturn

from sealpost.cli.printing import CLOSED, flush, in_ascii, make_printable, silence
from sealpost.verifier.earlier import Receipt
from sealpost.verifier.prose import Reset
from sealpost.verifier.report import Claim, Moment, Report, Unusable
from sealpost.verifier.tables import CHECKS, FAIL, LANGUAGES, LIMITS, NOT_PROVEN, PASS, safe, said
from sealpost.verifier.trust import choose_trust
from sealpost.verifier.verify import verify

_MARKS = {PASS: "+", FAIL: "X", NOT_PROVEN: "?"}
_SHOWN = 3  # findings of one check and verdict that are written out when all is right


def run(arguments: Sequence[str]) -> int:
    """Runs the command.

    Args:
        arguments: those after ``sealpost verify``.

    Returns:
        The exit code.
    """
    make_printable()
    options = _parser().parse_args(arguments)
    language: str = options.language or _language()
    try:
        report = _verified(options, language)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - libraries in other languages raise what is not even an Exception
        return _say_unable(error, _why(error, options.file), language, debug=options.debug)
    try:
        if options.json:
            print(in_ascii(report))
        else:
            _print(report)
        flush(sys.stdout)
    except OSError as error:
        silence(sys.stdout)
        if error.errno not in CLOSED:
            return _say_unable(error, {"reason": "the answer cannot be written"}, language, debug=options.debug)
    return report.exit_code  # also where the reader had enough: the verdict is the exit code all the same


def _verified(options: argparse.Namespace, language: str) -> Report:
    trust = choose_trust(options.trust) if options.trust else None
    receipts = [_receipt(one) for one in options.receipt]
    reset = _reset() if options.reset_certificate else None
    return verify(options.file, trust, receipts, language, log=options.log, reset=reset)


def _say_unable(error: BaseException, why: dict[str, Any], language: str, *, debug: bool) -> int:
    """Says in one sentence why nothing was verified; nothing of a report is shown."""
    try:
        if debug:
            print_exception(error)
        print(said("result.3", language, why), file=sys.stderr)
        flush(sys.stderr)
    except OSError:
        silence(sys.stderr)
    return 3


def _why(error: BaseException, file: Path) -> dict[str, Any]:
    if isinstance(error, Unusable):
        return error.values
    if isinstance(error, MemoryError):
        return {"reason": "there is not enough memory"}
    if isinstance(error, FileNotFoundError) and error.filename:
        return {"reason": "{path} is not there", "path": error.filename}
    if isinstance(error, OSError):
        return {"reason": "{path} cannot be read", "path": error.filename or file}
    return {"reason": "a fault of the verifier itself: nothing is said of the file"}


class _Parser(argparse.ArgumentParser):
    """Ends with 3 where argparse would end with 2, which means something else here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(3)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sealpost verify", description="Verify an evidence bundle (.asice), offline.")
    parser.add_argument("file", type=Path, metavar="FILE", help="the bundle")
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="DIR",
        help="trust folder, or a zip of it; never one out of a bundle. Without it, who signed is not proven",
    )
    parser.add_argument(
        "--receipt", type=Path, metavar="FILE", action="append", default=[], help="bundle or proof received before"
    )
    parser.add_argument("--log", type=Path, metavar="DIR", help="copy of the log's folder, which is recomputed")
    parser.add_argument(
        "--reset-certificate",
        action="store_true",
        help="set the certificate's text again from the records and compare; needs sealpost[server]",
    )
    parser.add_argument("--json", action="store_true", help="the report for machines")
    parser.add_argument("--debug", action="store_true", help="where the verifier cannot go on, show where it stopped")
    parser.add_argument("--language", choices=LANGUAGES, help="of the report; else that of this machine")
    return parser


def _language() -> str:
    found = (locale.getlocale()[0] or "")[:2].lower()
    return found if found in LANGUAGES else "en"


def _reset() -> Reset:
    """What sets certificates again; it comes with the service, which a machine that only verifies has not."""
    try:
        from sealpost.seal.certificate.again import set_again  # noqa: PLC0415 - not with the base dependencies alone
    except ImportError as error:
        raise Unusable("setting certificates again needs sealpost[server]") from error
    return set_again


def _receipt(path: Path) -> Receipt:
    if path.stat().st_size > LIMITS["totalOctets"]:
        raise Unusable("{path} is too large", path=path)
    return Receipt(path.name, path.read_bytes())


def _print(report: Report) -> None:
    _print_head(report)
    for check in CHECKS:
        verdict = report.verdict(check)
        if verdict:
            print(f"[{_MARKS[verdict]}] {_word(report, f'check.{check}')}: {_word(report, f'verdict.{verdict}')}")
            _print_claims(report, report.of(check))
    print(f"\n{_word(report, 'head.remarks')}")
    for remark in report.remarks:
        print(f"  - {remark.words(report.language)}")
    _print_time_line(report)
    print(f"\n{_word(report, f'result.{report.exit_code}')}")


def _word(report: Report, code: str) -> str:
    return said(code, report.language, {})


def _print_head(report: Report) -> None:
    for head in ("reference", "sender", "recipient"):
        if head in report.parties:
            print(f"{_word(report, f'head.{head}')}: {safe(report.parties[head])}")
    for head in report.heads:
        print(head.words(report.language))
    print()


def _print_time_line(report: Report) -> None:
    print(f"\n{_word(report, 'head.time_line')}")
    if report.exit_code == 1:
        print(f"  ! {_word(report, 'head.unproven')}")
    print(f"       {_word(report, 'head.claimed'):<25} {_word(report, 'head.proven')}")
    for moment in report.time_line:
        _print_moment(report, moment)


def _print_moment(report: Report, moment: Moment) -> None:
    print(f"  {moment.record:>3}  {safe(moment.claimed):<25} {_MARKS[moment.verdict]} {moment.proven or '-'}")
    print(f"{'':7}{moment.words(report.language)}")
    for line in moment.line.split("\n") if moment.line else ():
        print(f"{'':9}{safe(line)}")
    if moment.signed:
        print(f"{'':9}{moment.signed_words(report.language)}")


def _print_claims(report: Report, claims: Sequence[Claim]) -> None:
    """Every FAIL and NOT PROVEN; of what is right, a few."""
    right = [one for one in claims if one.verdict == PASS]
    for claim in [one for one in claims if one.verdict != PASS] + right[:_SHOWN]:
        print(f"      {_MARKS[claim.verdict]} {claim.words(report.language)}")
    if len(right) > _SHOWN:
        print(f"      + {said('head.and_more', report.language, {'count': len(right) - _SHOWN})}")
