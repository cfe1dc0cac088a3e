"""The bundle's README: what each file is and how to check it with public tools, command by command.

The commands stand in indented lines, each to be run as it is in the unpacked folder; a test runs them.
"""
# ruff: noqa: RUF001 - typographic quotes, as in all texts for people

from __future__ import annotations

from datetime import UTC, datetime

from sealpost.text.catalogue import LANGUAGES, SOURCE, marked, translator

_SUMMARY = marked(
    "This file holds the evidence of the message with reference %(reference)s. Start with certificate.pdf, "
    "which says what happened and when. The other files let anyone check it without trusting the service: the command "
    "“sealpost verify” and the verifier’s page check everything at once; the commands below check parts of it with "
    "tools from others. Take the trust folder from another place than this file, for example from the service’s "
    "website at the time of sending."
)

_TEXT = """\
EVIDENCE OF A MESSAGE

Reference: {reference}
Made:      {made}

{summaries}

WHAT IS IN IT

certificate.pdf          for people: what happened, when, and what is not proven
records/NNN.json         the records: one statement for each event, in their order (RFC 8785, EN 319 522-3)
records/NNN.jades.json   the seal of each record (JAdES)
records/NNN.salt         32 random octets that tie a record to its entry in the transparency log
proofs/NNN.tlog-proof    that the entry stands in the log (C2SP tlog-proof); a record without one is pending
checkpoints/Y-N.txt      the log of year Y when it had N entries, signed by the log
checkpoints/Y-N.tsr      the time of that, by a time-stamp authority (RFC 3161); Y-N.2.tsr renews it, and so on
mail/N-name.eml          a mail exactly as it was sent; N is the number of its record
content/NN-name          a part of the content exactly as it was sent; NN is its place in the records' list of parts
trust/                   certificates and keys, to show that the parts fit; NOT a proof of who made them
trust/tls/HASH.der       the certificates that mail servers showed, named by their SHA-256 (in hexadecimal); records name
                         them in "chain", the server's own first. Nobody but the service says that they were shown
META-INF/                the list of all files with their SHA-256, and the signature over it (ASiC-E, CAdES)

HOW TO CHECK EVERYTHING

You need a trust folder of your own: one that you got from the service itself (/trust/ on its website) or kept from an
earlier case. The folder trust/ in this file is none: whoever made the file has put it there. Unpack this file, go to where
it is unpacked, and say where your own trust folder is, for example by  export TRUST=/home/me/trust-of-the-service  . This
makes sure that there is one, and that it is not out of this file; the commands below fail without it:

  TRUST=$(cd "${{TRUST:?is not set}}" && pwd -P); case "$TRUST/" in /|"$(pwd -P)"/*) unset TRUST; echo "Set TRUST to your own trust folder; the one of this file does not count.";; esac

With Sealpost:

  sealpost verify ../evidence-{reference}.asice --trust "${{TRUST:?}}"

HOW TO CHECK PARTS WITH OTHER TOOLS (openssl 3, poppler-utils, qpdf)

1. The list of files was signed by the service, and nothing was changed since. "-attime {seconds}" is the time when this
   file was made ({made}): certificates are judged as of then.

  openssl cms -verify -binary -cades -inform DER -in META-INF/signature001.p7s -content META-INF/ASiCManifest001.xml -CAfile "${{TRUST:?}}/roots.pem" -purpose any -attime {seconds} -out /dev/null

2. Each file is the one in the list. Prints only what differs:

  sed -n 's/.* URI="\\([^"]*\\)" .*<ds:DigestValue>\\([^<]*\\)<.*/\\2 \\1/p' META-INF/ASiCManifest001.xml | while read -r digest name; do [ "$(openssl dgst -sha256 -binary "$name" | openssl base64)" = "$digest" ] || echo "DIFFERS: $name"; done

3. The times of the checkpoints; a token that renews others is over the text and those. Prints "Verification: OK" for
   each. It may fail for a renewed one whose authority's certificate has ended: "sealpost verify" judges it as of the next.

  for text in checkpoints/*.txt; do : "${{TRUST:?}}"; set -- "$text"; for token in "${{text%.txt}}.tsr" "${{text%.txt}}".[2-9].tsr; do [ ! -e "$token" ] || {{ cat "$@" | openssl ts -verify -data /dev/stdin -in "$token" -CAfile "${{TRUST:?}}/tsa-roots.pem" -attime {seconds}; set -- "$@" "$token"; }}; done; done

4. The seal of the certificate. "Signature is Valid" means that nothing was changed since; whether the issuer is trusted
   depends on the certificates that your machine knows:

  pdfsig certificate.pdf
  qpdf --check certificate.pdf

5. The fingerprints of contents and mails, to compare with the certificate:

  for file in content/* mail/*; do [ ! -e "$file" ] || openssl dgst -sha256 "$file"; done

6. The certificates that mail servers showed, with who issued them, to whom and until when:

  for file in trust/tls/*.der; do [ ! -e "$file" ] || openssl x509 -inform DER -in "$file" -noout -fingerprint -sha256 -subject -issuer -dates || openssl asn1parse -inform DER -in "$file"; done

Seals of records, entries in the log and the order of events are checked by "sealpost verify" and the verifier's page.
"""


def readme(reference: str, now: datetime) -> bytes:
    """README.txt.

    Args:
        reference: the ticket's token.
        now: aware; when the bundle is signed.
    """
    others = [language for language in LANGUAGES if language != SOURCE]
    summaries = [_summary(language, reference) for language in (SOURCE, *others)]
    made = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = _TEXT.format(reference=reference, made=made, seconds=int(now.timestamp()), summaries="\n\n".join(summaries))
    return text.encode()


def _summary(language: str, reference: str) -> str:
    return f"[{language}] " + translator(language).gettext(_SUMMARY) % {"reference": reference}
