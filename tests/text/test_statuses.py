"""The status table as it was released (contract, section 6): no number, name or word of it ever changes."""

import pytest

from sealpost.domain.records import EVENTS
from sealpost.domain.statement import SOURCED, source_of
from sealpost.domain.status import TABLE
from sealpost.text.catalogue import LANGUAGES
from sealpost.text.sources import source_note
from sealpost.text.statuses import KIND_TEXTS, SOURCED_TEXTS, STATUS_TEXTS, event_text, vendor_text

# Frozen: a row is added at the end of a release, none is changed.
RELEASED = (
    (10, "submitted", "Aangenomen ter verzending"),
    (20, "announcement_offered", "Aankondiging aangeboden"),
    (25, "announcement_uncertain", "Aankondiging: uitkomst onbekend"),
    (30, "announcement_accepted", "Aankondiging geaccepteerd door mailserver"),
    (35, "announcement_delayed", "Aankondiging vertraagd"),
    (40, "announcement_failed", "Aankondiging niet bezorgd"),
    (50, "announcement_opened", "Aankondiging bekeken"),
    (60, "recipient_identified", "Ontvanger geïdentificeerd"),
    (65, "identification_failed", "Identificatie mislukt"),
    (70, "accepted", "Geaccepteerd door ontvanger"),
    (75, "content_offered", "Aangetekende mail aangeboden"),
    (76, "content_delayed", "Aangetekende mail vertraagd"),
    (80, "content_delivered", "Afgeleverd bij de mailserver van de ontvanger"),
    (81, "content_failed", "Aangetekende mail niet bezorgd"),
    (85, "signed", "Ondertekend door ontvanger"),
    (90, "refused", "Geweigerd door ontvanger"),
    (92, "expired", "Ophaaltermijn verlopen"),
    (93, "withdrawn", "Ingetrokken door afzender"),
    (95, "reminder_offered", "Herinnering aangetekende mail verstuurd"),
    (96, "reminder_accepted", "Herinnering geaccepteerd door mailserver"),
    (97, "reminder_failed", "Herinnering niet bezorgd"),
    (98, "content_erased", "Inhoud verwijderd"),
)


def test_the_table_is_as_released():
    assert [(status.code, status.name, vendor_text(status.name, "nl")) for status in TABLE] == list(RELEASED)


def test_every_status_and_no_other_has_words():
    assert [*STATUS_TEXTS] == [status.name for status in TABLE]
    assert STATUS_TEXTS.keys() | KIND_TEXTS.keys() >= set(EVENTS)
    assert not STATUS_TEXTS.keys() & KIND_TEXTS.keys()
    assert {source: kinds.keys() for source, kinds in SOURCED_TEXTS.items()} == SOURCED


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_statuses_share_words(language):
    names = [*STATUS_TEXTS, *KIND_TEXTS]
    names += [f"{name}.{source}" for source, kinds in SOURCED_TEXTS.items() for name in kinds]
    assert len({event_text(name, language) for name in names}) == len(names)


@pytest.mark.parametrize("language", LANGUAGES)
def test_whose_word_it_is_has_a_sentence(language):
    assert source_note("relay", language) != source_note("bounce", language)
    assert source_note("", language) == ""


@pytest.mark.parametrize(
    ("extension", "source"),
    [
        ({}, ""),
        ({"smtp": {"host": "mx.example.com"}}, ""),
        ({"smtp": {"by": "direct"}}, ""),
        ({"smtp": {"by": "relay"}}, "relay"),
        ({"bounce": {"by": "report"}}, "bounce"),
        ({"web": {}, "by": {"user": 1}}, ""),
    ],
)
def test_whose_word_a_record_is(extension, source):
    assert source_of(extension) == source


def test_english_is_the_source():
    assert event_text("accepted", "en") == "Accepted by recipient"


def test_an_unknown_status_has_no_words():
    with pytest.raises(KeyError):
        event_text("lost", "nl")
