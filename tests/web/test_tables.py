"""Small readers of hostile input, each as a table: ways back, cookies, forms, file names, languages, signs, paths."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.exceptions import ClientException

from sealpost.domain.errors import InvalidInput
from sealpost.text.sizes import size_text
from sealpost.web.acts import signs, visible_text
from sealpost.web.disposition import attachment, safe_type
from sealpost.web.failures import is_page
from sealpost.web.forms import read_fields
from sealpost.web.inbox.clock import seconds
from sealpost.web.pages import accepted_language
from sealpost.web.pickup import cookie
from sealpost.web.signin.way_back import way_back

T = "K." + "a" * 22
TICKET = f"/webservice/dashboard/?ticket_token={T}&action=ticket_html"
A, B = "a" * 43, "b" * 43


@pytest.mark.parametrize(
    ("wanted", "back"),
    [
        ("/dashboard/", "/dashboard/"),
        (TICKET, TICKET),
        (f"{TICKET}&lang=nl", f"{TICKET}&lang=nl"),
        (f"/webservice/dashboard/?action=ticket_html&ticket_token={T}", TICKET),
        ("", "/dashboard/"),
        ("//evil.example/", "/dashboard/"),
        ("https://evil.example/dashboard/", "/dashboard/"),
        ("/\\evil.example", "/dashboard/"),
        ("/dashboard/../signout", "/dashboard/"),
        ("javascript:alert(1)", "/dashboard/"),
        (f"{TICKET}&lang=xx", "/dashboard/"),
        (f"{TICKET}&next=//evil.example", "/dashboard/"),
        (f"{TICKET}&action=ticket_xml", "/dashboard/"),
        (f"/webservice/dashboard/?ticket_token={T}&action=ticket_xml", "/dashboard/"),
        (f"/webservice/dashboard/withdraw?ticket_token={T}&action=ticket_html", "/dashboard/"),
        (f"https://evil.example{TICKET}", "/dashboard/"),
        (f"/{TICKET}", "/dashboard/"),
        ("/webservice/dashboard/?ticket_token=%0d%0aSet-Cookie:x&action=ticket_html", "/dashboard/"),
        ("/webservice/dashboard/?ticket_token=é&action=ticket_html", "/dashboard/"),
        ("/webservice/dashboard/?ticket_token=&action=ticket_html", "/dashboard/"),
        ("/webservice/dashboard/?action=ticket_html", "/dashboard/"),
        (f"{TICKET}#//evil.example", "/dashboard/"),
        ("/webservice/dashboard/?" + "&".join(["a=b"] * 500), "/dashboard/"),
    ],
)
def test_way_back(wanted: str, back: str) -> None:
    assert way_back(wanted) == back


@given(st.text())
def test_way_back_is_always_ours(wanted: str) -> None:
    assert re.fullmatch(
        r"/dashboard/(?:notices)?|/webservice/dashboard/\?ticket_token=[\w.-]+&action=ticket_html(&lang=\w\w)?",
        way_back(wanted),
    )


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ("", ()),
        (A, (A,)),
        (f"{A}.{B}", (A, B)),
        (f"{A}.{A}.{B}", (A, B)),
        (f"{A}..{B}.", (A, B)),
        (f"short.{B}", (B,)),
        (f"{A}x", ()),
        (f"{A[:-1]}\n", ()),
        (f"{A[:-1]}é", ()),
        ('"' + A + '"', ()),
        (f"{A};{B}", ()),
        (".".join(str(number) * 43 for number in range(10)), tuple(str(number) * 43 for number in range(8))),
        ("." * 100_000, ()),
    ],
)
def test_cookie_read(value: str, secrets: tuple[str, ...]) -> None:
    assert cookie.read(value) == secrets


def test_cookie_write() -> None:
    assert cookie.write(A, ()) == A
    assert cookie.write(A, (B, A)) == f"{A}.{B}"
    ten = tuple(str(number) * 43 for number in range(8))
    assert cookie.read(cookie.write(A, ten)) == (A, *ten[:7])
    assert len(cookie.write(A, ten)) < 400


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (b"", {}),
        (b"decision=accept", {"decision": "accept"}),
        (b"decision=accept&decision=refuse", {}),
        (b"decision=accept&decision=accept&confirm=yes", {"confirm": "yes"}),
        (b"reason=a%0D%0Ab+c&confirm=yes", {"reason": "a\r\nb c", "confirm": "yes"}),
        (b"reason=", {"reason": ""}),
        (b"nothing", {"nothing": ""}),
    ],
)
def test_fields(octets: bytes, found: dict[str, str]) -> None:
    assert read_fields(octets) == found


@pytest.mark.parametrize("octets", [b"\xff=1", b"reason=%FF", b"a=%C3", b"&".join(b"a=1" for _ in range(41))])
def test_fields_refused(octets: bytes) -> None:
    with pytest.raises(ClientException):
        read_fields(octets)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notice.pdf", 'attachment; filename="notice.pdf"'),
        ("Notice 2026 (1).pdf", 'attachment; filename="Notice 2026 (1).pdf"'),
        ("é.pdf", "attachment; filename=\"_.pdf\"; filename*=UTF-8''%C3%A9.pdf"),
        ('a"b.pdf', "attachment; filename=\"a_b.pdf\"; filename*=UTF-8''a%22b.pdf"),
        ("a;b.pdf", "attachment; filename=\"a_b.pdf\"; filename*=UTF-8''a%3Bb.pdf"),
        ("100%.pdf", "attachment; filename=\"100_.pdf\"; filename*=UTF-8''100%25.pdf"),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("C:\\x\\y.txt", 'attachment; filename="y.txt"'),
        ("a\r\nSet-Cookie: x", "attachment; filename=\"aSet-Cookie_ x\"; filename*=UTF-8''aSet-Cookie%3A%20x"),
        ("\x00", 'attachment; filename="file"'),
        ("", 'attachment; filename="file"'),
    ],
)
def test_attachment(name: str, value: str) -> None:
    assert attachment(name) == value


@given(st.text())
def test_attachment_is_one_safe_line(name: str) -> None:
    value = attachment(name)
    assert value.isascii()
    assert value.isprintable()
    found = re.fullmatch(r'attachment; filename="[^"\\/%]+"(?:; filename\*=UTF-8\'\'([^\s"\';,]+))?', value)
    assert found
    if found[1] and not re.search("[\ud800-\udfff]", name):
        assert unquote(found[1]) == re.sub(r"[\x00-\x1f\x7f]", "", name.replace("\\", "/").rpartition("/")[2])


@pytest.mark.parametrize(
    ("declared", "sent"),
    [
        ("application/pdf", "application/pdf"),
        ("Image/PNG", "image/png"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("text/html", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("text/xml", "application/octet-stream"),
        ("application/javascript", "application/octet-stream"),
        ("application/pdf\r\nX: y", "application/octet-stream"),
        ("multipart/x-mixed-replace", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_safe_type(declared: str, sent: str) -> None:
    assert safe_type(declared) == sent


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("nl", "nl"),
        ("nl-BE,nl;q=0.9,en;q=0.8", "nl"),
        ("en-GB;q=0.4, nl;q=0.7", "nl"),
        ("xx,yy;q=0.5", "en"),
        ("nl;q=0,en;q=0.1", "en"),
        ("nl;q=nan,en;q=0.1", "en"),
        ("nl;q=x", "en"),
        ("*;q=0.1", "en"),
        ("," * 100_000, "en"),
    ],
)
def test_accepted_language(header: str, language: str) -> None:
    assert accepted_language(header) == language


BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "accept-language": "nl"}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (BROWSER, ()),
        ({}, ("no-user-agent", "no-accept-language")),
        (BROWSER | {"user-agent": "Mozilla/5.0 HeadlessChrome/150"}, ("headless-agent",)),
        (BROWSER | {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, ("scanner-agent",)),
        (BROWSER | {"user-agent": "python-requests/2"}, ("scanner-agent",)),
        (BROWSER | {"sec-purpose": "prefetch;prerender"}, ("prefetch-header",)),
        (BROWSER | {"purpose": "prefetch"}, ("prefetch-header",)),
    ],
)
def test_signs(headers: dict[str, str], found: tuple[str, ...]) -> None:
    assert signs(headers) == found


def test_visible_text() -> None:
    html = (
        "<title>no</title><header>no</header><main><h1>Accept\n this?</h1><p>A&amp;B<br>C</p></main><footer>no</footer>"
    )
    assert visible_text(html) == "Accept this? A&B C"


@pytest.mark.parametrize(
    ("path", "query", "page"),
    [
        ("/", "", True),
        ("/p/abc", "", True),
        ("/p", "", True),
        ("/pickup/K.x/nothing", "", True),
        ("/signin/", "", True),
        ("/activate/x", "", True),
        ("/dashboard", "", True),
        ("/inbox/1", "", True),
        ("/static/x", "", True),
        ("/webservice/dashboard/", f"ticket_token={T}&action=ticket_html", True),
        ("/webservice/dashboard/withdraw", "", True),
        ("/webservice/dashboard/", f"ticket_token={T}&action=ticket_xml", False),
        ("/webservice/dashboard/", "action=ticket_xml&action=ticket_html", False),
        ("/webservice/dashboard/", "", False),
        ("/webservice/mailsender/send", "action=ticket_html", False),
        ("/inbox/api", "", False),
        ("/inbox/api/messages", "", False),
        ("/policy", "", False),
        ("/pick", "", False),
        ("/api/user/", "", False),
        ("/demo/clock", "", False),
    ],
)
def test_is_page(path: str, query: str, page: bool) -> None:
    assert is_page(path, query) is page


@pytest.mark.parametrize(("octets", "shown"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_234_567, "1.2 MB")])
def test_file_size(octets: int, shown: str) -> None:
    assert size_text(octets, "en") == shown


def test_seconds() -> None:
    assert seconds(b'{"advance_seconds": 60}') == 60


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"60",
        b"{}",
        b'{"advance_seconds": -1}',
        b'{"advance_seconds": true}',
        b'{"advance_seconds": 1.5}',
        b'{"advance_seconds": "60"}',
        b'{"advance_seconds": 1e400}',
        b'{"advance_seconds": 99999999999}',
        b'{"advance_seconds":' + b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_seconds_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        seconds(body)
