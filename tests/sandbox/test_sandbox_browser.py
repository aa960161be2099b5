"""A person's way through the sandbox's page, in a real headless browser driven over the WebDriver protocol."""

from __future__ import annotations

import base64
import contextlib
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from support.browser import BROWSER, DRIVER, NARROW, WIDE, Browser, Refused, decode
from support.sandbox_client import START, Clock, renew
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.world import TEMPLATE_CONFIRM, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (DRIVER and BROWSER),
        reason="needs chromedriver and chromium, chromium-browser or google-chrome on the PATH",
    ),
]

FRAME, CARD, BUBBLE, GROUND = (0x1B, 0x24, 0x30), (0xFF, 0xFF, 0xFF), (0xE8, 0xED, 0xF4), (0xF4, 0xF5, 0xF7)
DARK_FRAME, DARK_CARD, DARK_BUBBLE, DARK_GROUND = (
    (0x3B, 0x46, 0x57),
    (0x1B, 0x21, 0x2A),
    (0x2A, 0x33, 0x40),
    (0x12, 0x16, 0x1C),
)
TAB = "\ue004"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A running sandbox."""
    with SandboxServer(World(Clock())) as running:
        yield running


@pytest.fixture
def world(server: SandboxServer) -> World:
    """The served world, without bookings."""
    return renew(server.world, Clock())


@pytest.fixture
def browser(driven: Browser, server: SandboxServer, world: World) -> Browser:
    """A browser that has opened the page of an empty world, in a wide window."""
    assert not world.events
    driven.view(WIDE)
    driven.open(server.url)
    return driven


def send(server: SandboxServer, name: str) -> None:
    """Have a text sent as syncer does."""
    answer = httpx.post(
        f"{server.url}/v1/messages",
        auth=("key", "secret"),
        json={
            "to": ["+491523550100"],
            "template": {"id": TEMPLATE_CONFIRM, "params": {"name": name, "time": "Fri 27 Nov, 10:00"}},
        },
        trust_env=False,
    )
    assert answer.status_code == 200


def wait_for(holds: Callable[[], bool], seconds: float = 10) -> bool:
    """Wait until something holds; says whether it came to hold. Between two pages nothing holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(Refused):
            if holds():
                return True
        time.sleep(0.05)
    return False


def test_a_persons_way(browser: Browser, server: SandboxServer, world: World) -> None:
    """Book, see the booking, move it, cancel it, see the text: all by hand, on one page."""
    browser.type("[name=name]", "Theo Brandt")
    browser.type("[name=phone]", "+49 1523 550100")
    browser.type("[name=timezone]", "Europe/Berlin")
    browser.type(".book [name=start]", f"11272026{TAB}1000AM")
    browser.click(".primary")

    assert wait_for(lambda: browser.text("#bookings .row").startswith("Theo Brandt\nactive\n"))
    expected = "Phone consultation · Fri 27 Nov 2026, 10:00 (Europe/Berlin) · +49 1523 550100 · with Mara Lindqvist"
    assert browser.text("#bookings .what") == expected

    browser.type("#bookings [name=start]", f"11272026{TAB}0330PM")
    browser.click("[aria-label='Move Theo Brandt']")

    assert wait_for(lambda: browser.text("#bookings .row:last-child .state") == "moved")
    assert "Fri 27 Nov 2026, 15:30" in browser.text("#bookings .what")
    assert [event["start_time"][11:16] for event in world.events.values()] == ["09:00", "14:30"]

    browser.click("[aria-label='Cancel Theo Brandt']")

    assert wait_for(lambda: browser.text("#bookings .state") == "canceled by invitee")
    assert browser.run("return document.querySelectorAll('#bookings button').length") == 0

    browser.run("window.row = document.querySelector('#bookings .row')")
    send(server, "Theo")

    assert wait_for(lambda: "Hello Theo" in browser.text("#texts"))
    assert browser.text("#texts .bubble").startswith("[North Pier Dental] Hello Theo, your meeting is confirmed.")
    assert browser.run("return window.row.isConnected"), "neither the page nor an unchanged list was made anew"


def test_an_error_is_seen(browser: Browser, world: World) -> None:
    """A start in the past: the page says so at the top, and what was typed is still there."""
    browser.type("[name=name]", "Theo Brandt")
    browser.type(".book [name=start]", f"11202026{TAB}1000AM")
    browser.click(".primary")

    assert wait_for(lambda: browser.text("[role=alert]") == "The start must be ahead, and within two years.")
    assert browser.box("[role=alert]").y < browser.box(".book").y
    assert browser.run("return document.querySelector('[name=name]').value") == "Theo Brandt"
    assert not world.events


def test_what_is_being_typed_stays(browser: Browser, world: World) -> None:
    """A new booking appears by itself, but never under the fingers of somebody who types a new start."""
    world.book(start=START, name="First")
    assert wait_for(lambda: "First" in browser.text("#bookings"))

    browser.type("#bookings [name=start]", f"12242026{TAB}0600PM")
    browser.run("document.activeElement.blur()")
    world.book(start=START, name="Second")
    time.sleep(2)

    assert browser.run("return document.querySelector('#bookings [name=start]').value") == "2026-12-24T18:00"
    assert "Second" not in browser.text("#bookings")


@pytest.mark.parametrize(
    ("scheme", "frame", "card", "bubble", "ground"),
    [
        pytest.param("light", FRAME, CARD, BUBBLE, GROUND, id="light"),
        pytest.param("dark", DARK_FRAME, DARK_CARD, DARK_BUBBLE, DARK_GROUND, id="dark"),
    ],
)
def test_the_picture(
    browser: Browser,
    server: SandboxServer,
    scheme: str,
    frame: tuple[int, int, int],
    card: tuple[int, int, int],
    bubble: tuple[int, int, int],
    ground: tuple[int, int, int],
) -> None:
    """In a wide window the phone stands right of the form, with the text's bubble on its screen, in either scheme."""
    send(server, "Theo")
    browser.view(WIDE, scheme)
    browser.open(server.url)
    phone, form, text = browser.box(".phone"), browser.box(".book"), browser.box(".bubble")

    picture = browser.picture()

    assert (picture.width, len(picture.rows)) == WIDE
    assert form.x + form.width < phone.x
    assert phone.x + phone.width <= picture.width - 10
    assert (phone.width, phone.height) == (368, 544)
    assert picture.at(4, 400) == ground
    middle = phone.y + phone.height // 2
    assert {picture.at(x, middle) for x in (phone.x + 2, phone.x + 6, phone.x + phone.width - 4)} == {frame}
    assert {picture.at(x, middle) for x in (phone.x - 6, phone.x + phone.width + 4)} == {ground}
    assert picture.at(phone.x + 40, middle + 100) == card
    assert picture.column(phone.x + 5)[frame] > 450
    assert picture.at(text.x + 5, text.y + text.height // 2) == bubble
    written = {picture.at(x, text.y + 20) for x in range(text.x + 12, text.x + text.width - 12)}
    assert len(written) > 5
    assert (picture.brightness() > 200) == (scheme == "light")
    assert (picture.brightness() < 60) == (scheme == "dark")


def test_on_a_phone(browser: Browser, server: SandboxServer, world: World) -> None:
    """At 380 pixels nothing sticks out sideways, whatever it is called, and the phone comes before the bookings."""
    world.book(start=START, name="Maximiliane" * 8, phone="+1 312-555-0142" * 2)
    send(server, "Wolkenstein" * 20)
    browser.view(NARROW)
    browser.open(server.url)

    picture = browser.picture()
    wider = browser.run(
        "return [...document.querySelectorAll('body *')].filter((e) => !e.closest('pre')"
        " && e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML)"
    )

    assert (picture.width, len(picture.rows)) == NARROW
    assert browser.run("return document.scrollingElement.scrollWidth") == 380
    assert wider == []
    assert set(picture.column(0)) == set(picture.column(379)) == {GROUND}
    tops = [browser.box(css).y for css in (".book", ".phone", ".booked", ".env")]
    assert tops == sorted(tops)


def test_decoding_a_picture(browser: Browser) -> None:
    """The decoder of these tests agrees with the browser's own: a canvas of known pixels, row by row."""
    script = (
        "const c = document.createElement('canvas'); c.width = 64; c.height = 40; const x = c.getContext('2d');"
        "const g = x.createLinearGradient(0, 0, 64, 40); g.addColorStop(0, '#08f'); g.addColorStop(1, '#f40');"
        "x.fillStyle = g; x.fillRect(0, 0, 64, 40); x.fillStyle = '#102030'; x.fillRect(7, 9, 20, 3);"
        "return [c.toDataURL('image/png'), [...x.getImageData(0, 0, 64, 40).data].filter((_, i) => i % 4 < 3)];"
    )

    url, pixels = browser.run(script)
    picture = decode(base64.b64decode(url.partition(",")[2]))

    assert picture.width == 64
    assert b"".join(picture.rows) == bytes(pixels)
    assert picture.at(8, 10) == (0x10, 0x20, 0x30)
