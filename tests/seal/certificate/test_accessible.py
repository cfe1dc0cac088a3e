"""Who listens to the certificate hears all of it, in order: PDF/UA-1 beside PDF/A-3a, also after it was sealed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pikepdf
import pytest

from sealpost.seal.bundle.bundle import SealedRecord, StampedCheckpoint
from sealpost.seal.certificate import words
from sealpost.text.catalogue import LANGUAGES, translator
from tests.seal.bundle.lives import Office
from tests.seal.certificate.test_certificate import URL, pdf_of, seal

Ticket = tuple[list[SealedRecord], list[StampedCheckpoint]]
Element = Any


def children(element: Element) -> list[Element]:
    kids = element.get("/K", pikepdf.Array())
    return [one for one in (kids if isinstance(kids, pikepdf.Array) else [kids]) if isinstance(one, pikepdf.Dictionary)]


def walk(element: Element) -> Iterator[Element]:
    """Depth first, which is the order in which it is read."""
    if "/S" in element:
        yield element
    for one in children(element):
        yield from walk(one)


def tags(opened: pikepdf.Pdf) -> list[Element]:
    return list(walk(opened.Root.StructTreeRoot))


def kinds(elements: list[Element]) -> list[str]:
    return [str(one.S) for one in elements]


def table_attributes(element: Element) -> dict[str, Any]:
    found = element.get("/A", pikepdf.Array())
    every = found if isinstance(found, pikepdf.Array) else [found]
    return next((dict(one) for one in every if str(one.O) == "/Table"), {})


@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_says_what_it_is_and_in_which_language(ticket: Ticket, alices: Office, language: str) -> None:
    octets = await seal(pdf_of(ticket[0], language), alices)
    with pikepdf.open(io.BytesIO(octets)) as opened:
        assert bool(opened.Root.MarkInfo.Marked)
        assert str(opened.Root.Lang) == language
        assert bool(opened.Root.ViewerPreferences.DisplayDocTitle)
        with opened.open_metadata() as metadata:
            assert metadata.pdfa_status == "3A"
            assert metadata["pdfuaid:part"] == "1"
            assert metadata["dc:title"] == translator(language).gettext(words.TITLE)
        for page in opened.pages:
            assert "/Annots" not in page.obj or str(page.obj.Tabs) == "/S"  # the seal's field is one, too
            assert "/StructParents" in page.obj


@pytest.mark.parametrize("language", LANGUAGES)
async def test_headings_lead_through_it(ticket: Ticket, alices: Office, language: str) -> None:
    octets = await seal(pdf_of(ticket[0], language), alices)
    gettext = translator(language).gettext
    with pikepdf.open(io.BytesIO(octets)) as opened:
        found = [(str(one.S), str(one.T)) for one in tags(opened) if str(one.S).startswith("/H")]
    heads = [words.HEADINGS[one] for one in ("parties", "contents", "timeline", "proven", "not_proven", "checking")]
    wanted = [("/H1", gettext(words.TITLE)), *(("/H2", gettext(one)) for one in heads)]
    wanted[2:2] = [("/H3", gettext(words.SENDER)), ("/H3", gettext(words.RECIPIENT))]
    assert found == wanted


async def test_each_cell_knows_its_heads(ticket: Ticket, alices: Office) -> None:
    octets = await seal(pdf_of(ticket[0]), alices)
    with pikepdf.open(io.BytesIO(octets)) as opened:
        every = tags(opened)
        heads = {bytes(one.ID): str(table_attributes(one)["/Scope"]) for one in every if str(one.S) == "/TH"}
        cells = [table_attributes(one)["/Headers"] for one in every if str(one.S) == "/TD"]
        tables = [one for one in every if str(one.S) == "/Table"]
        assert len(tables) == 4  # contents, time line, records, checkpoints
        for table in tables:
            rows = [len(children(row)) for part in children(table) for row in children(part)]
            assert len(set(rows)) == 1, "as many cells in each row, none over several columns"
    assert set(heads.values()) == {"/Column"}
    assert len(cells) > 40
    assert all(len(one) == 1 and bytes(one[0]) in heads for one in cells)


async def test_nothing_is_an_image_without_words(ticket: Ticket, alices: Office) -> None:
    octets = await seal(pdf_of(ticket[0], "nl"), alices)
    with pikepdf.open(io.BytesIO(octets)) as opened:
        figures = [one for one in tags(opened) if str(one.S) in {"/Figure", "/Formula"}]
        (alternative,) = [str(one.Alt) for one in figures]
    assert alternative == translator("nl").gettext(words.QR) % {"address": URL}


async def test_it_is_read_in_the_order_in_which_it_is_told(ticket: Ticket, alices: Office) -> None:
    octets = await seal(pdf_of(ticket[0]), alices)
    with pikepdf.open(io.BytesIO(octets)) as opened:
        every = tags(opened)
        order = kinds(every)
        pages = [page.objgen for page in opened.pages]
        seen = [pages.index(one.Pg.objgen) for one in every if "/Pg" in one]
        roles = {str(name) for name in opened.Root.StructTreeRoot.RoleMap}
    assert seen == sorted(seen)
    # The title before the short facts, these before parties, contents and time line; what is proven is a list.
    assert order.index("/H1") < order.index("/L") < order.index("/H2") < order.index("/Table")
    assert order.count("/BlockQuote") == 3  # the headline's answer, and both in the time line: the words of others
    assert order[order.index("/L") :].count("/Lbl") == order.count("/LBody") == order.count("/LI")
    standard = {"/Document", "/Div", "/P", "/H1", "/H2", "/H3", "/L", "/LI", "/Lbl", "/LBody", "/Link", "/Figure"}
    standard |= {"/BlockQuote", "/Span", "/Table", "/THead", "/TBody", "/TR", "/TH", "/TD"}
    assert set(order) <= standard | roles
