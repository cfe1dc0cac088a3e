"""A letter in HTML on its way: it arrives to the octet, and mail, text and file say and show the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pybase64
import pytest

from sealpost.domain.errors import InvalidInput
from sealpost.usecases.decide import decide
from sealpost.usecases.submit_message import Attachment
from tests.world import ACT, World

PNG = pybase64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGOQ8u8GAAG6AOYNIuGdAAAAAElFTkSuQmCC")
LETTERS = Path(__file__).parent.parent / "mail" / "letters"


async def test_a_letter_with_a_logo(world: World) -> None:
    body = (LETTERS / "outlook-signature-cid.html").read_text()
    logo = Attachment("image001.png", "image/png", [pybase64.b64encode(PNG)])
    token = await world.send(body=body, attachments=[logo])
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await world.work_off()
    mail = world.mailbox.to("bob@example.com")[-1]
    parts = {part.get_filename() or part.get_content_type(): part for part in mail.walk()}
    octets: dict[str, Any] = {name: part.get_payload(decode=True) for name, part in parts.items()}
    assert (octets["message.html"], octets["image001.png"]) == (body.encode(), PNG)
    html = octets["text/html"].decode()
    assert f'src="cid:{parts["image001.png"]["Content-ID"].strip("<>")}"' in html
    text = octets["text/plain"].decode()
    assert "Bijgaand de brief." in text
    assert "[Logo Alice]" in text


async def test_an_image_that_the_message_does_not_carry_is_refused(world: World) -> None:
    body = (LETTERS / "outlook-signature-cid.html").read_text()
    with pytest.raises(InvalidInput, match="does not carry"):
        await world.submitter.submit(world.message(body=body, attachments=[]))


@pytest.mark.parametrize(("said", "kind"), [(None, "text/html"), ("html", "text/html"), ("text", "text/plain")])
async def test_the_caller_may_say_what_a_body_is(world: World, said: str | None, kind: str) -> None:
    token = await world.submitter.submit(world.message(body="a<br>b", body_format=said))
    assert kind in str((await world.records(token))[0])
