"""The sandbox's page and its forms without a browser, and what keeps other web pages out."""

from __future__ import annotations

import ast
import html
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import syncer.sandbox
from support.sandbox_client import HOUR, NOW, START, Clock, renew
from syncer.sandbox.directory import MEMBER, OWNER
from syncer.sandbox.page import env_lines
from syncer.sandbox.server import SandboxServer
from syncer.sandbox.texts import Text
from syncer.sandbox.world import SANDBOX_TOKEN, TEMPLATE_CONFIRM, World

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM = {
    "name": "Theo Brandt",
    "phone": "+49 1523 5550100",
    "event_type": "Video call",
    "timezone": "Europe/Berlin",
    "start": "2026-11-27T10:00",
}
MARA_TO_JONAS = ("Mara Lindqvist", "Jonas Weber")


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A running sandbox."""
    with SandboxServer(World(Clock())) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def world(server: SandboxServer, clock: Clock) -> World:
    """The served world, without bookings."""
    return renew(server.world, clock)


@pytest.fixture(scope="module")
def page(server: SandboxServer) -> Iterator[httpx.Client]:
    """A client without a login, as a browser is."""
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def words(answer: httpx.Response) -> str:
    """Read what a person reads: no tags, single spaces."""
    body = re.sub(r"<(script|style).*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def alert(answer: httpx.Response) -> str:
    """Read the error on a page."""
    found = re.search(r'role="alert">(.*?)</p>', answer.text)
    return html.unescape(found[1]) if found else ""


class TestForms:
    """Book, move, cancel."""

    def test_booking(self, page: httpx.Client, world: World) -> None:
        """The form books a meeting in the person's time zone and leads back to the page, which shows it."""
        answer = page.post("/sandbox/book", data=FORM)

        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        (invitee,) = world.invitees.values()
        event = world.events[invitee["event"]]
        assert (invitee["name"], invitee["email"]) == ("Theo Brandt", "theo.brandt@example.com")
        assert (invitee["text_reminder_number"], invitee["timezone"]) == ("+49 1523 5550100", "Europe/Berlin")
        assert (event["start_time"], event["end_time"]) == (
            "2026-11-27T09:00:00.000000Z",
            "2026-11-27T09:45:00.000000Z",
        )
        assert ("Theo Brandt active Video call · Fri 27 Nov 2026, 10:00 (Europe/Berlin) · +49 1523 5550100") in words(
            page.get("/")
        )

    def test_two_people_share_a_group_event(self, page: httpx.Client, world: World) -> None:
        """Whoever books the same group slot joins its event."""
        for name in ("Theo Brandt", "Ines Okafor"):
            page.post("/sandbox/book", data={**FORM, "name": name, "event_type": "Open clinic"})

        (event,) = world.events.values()

        assert event["invitees_counter"] == {"total": 2, "active": 2, "limit": 10}

    def test_moving(self, page: httpx.Client, world: World) -> None:
        """The form moves a booking, whose old half then says so; the start is in the invitee's zone."""
        old = world.book(start=START, timezone="Europe/Berlin")

        answer = page.post("/sandbox/move", data={"invitee": old, "start": "2026-11-27T11:30"})

        assert answer.status_code == 303
        new = world.invitees[world.invitees[old]["new_invitee"]]
        assert world.events[new["event"]]["start_time"] == "2026-11-27T10:30:00.000000Z"
        assert re.search(r"Ines Okafor active .* 11:30 .* Ines Okafor moved ", words(page.get("/")))

    def test_moving_as_the_host(self, page: httpx.Client, world: World) -> None:
        """The second button moves a booking as its host does."""
        old = world.book(start=START)

        answer = page.post("/sandbox/move", data={"invitee": old, "start": FORM["start"], "by": "host"})

        assert answer.status_code == 303
        new = world.invitees[world.invitees[old]["new_invitee"]]
        assert new["invitee_scheduled_by"] == world.host(OWNER)["uri"]
        assert 'name="by" value="host" aria-label="Move as host, Ines Okafor"' in page.get("/").text

    def test_handing_over(self, page: httpx.Client, world: World) -> None:
        """The button names the next host, who then has the meeting; the one after the last is the first."""
        uri = world.book(start=START)
        shown = [words(page.get("/"))]
        for _ in range(2):
            answer = page.post("/sandbox/hand-over", data={"invitee": uri})
            assert answer.status_code == 303
            shown.append(words(page.get("/")))

        found = [re.findall(r"· with (\w+ \w+) New start .* Hand over to (\w+ \w+)", text) for text in shown]
        assert found == [[pair] for pair in (MARA_TO_JONAS, MARA_TO_JONAS[::-1], MARA_TO_JONAS)]

    def test_without_a_second_host_nothing_can_be_handed_over(self, page: httpx.Client, world: World) -> None:
        """No button, and the form says why not."""
        uri = world.book(start=START)
        world.delete_host(MEMBER)

        answer = page.post("/sandbox/hand-over", data={"invitee": uri})

        assert (answer.status_code, alert(answer)) == (400, "There is no other host.")
        assert "Hand over" not in page.get("/").text

    @pytest.mark.parametrize("by", ["invitee", "host"])
    def test_canceling(self, page: httpx.Client, world: World, by: str) -> None:
        """Either side can cancel; the page says who did, and offers nothing more to do."""
        uri = world.book(start=START)

        answer = page.post("/sandbox/cancel", data={"invitee": uri, "by": by})

        assert answer.status_code == 303
        assert world.invitees[uri]["cancellation"]["canceler_type"] == by
        shown = page.get("/")
        assert f"Ines Okafor canceled by {by}" in words(shown)
        assert 'action="/sandbox/move"' not in shown.text

    def test_what_is_over_cannot_be_changed(self, page: httpx.Client, world: World) -> None:
        """A meeting in the past is shown without forms."""
        world.book(start=NOW - HOUR)

        shown = page.get("/")

        assert "Ines Okafor active" in words(shown)
        assert 'action="/sandbox/cancel"' not in shown.text

    @pytest.mark.parametrize(
        ("form", "change", "message"),
        [
            pytest.param("book", {"name": " "}, "Please fill in: name.", id="no name"),
            pytest.param("book", {"name": "x" * 101}, "This is too long: name.", id="a long name"),
            pytest.param("book", {"event_type": "Nap"}, "This event type does not exist.", id="an unknown type"),
            pytest.param("book", {"start": "soon"}, "cannot be read", id="a start in words"),
            pytest.param("book", {"timezone": "../etc/passwd"}, "cannot be read", id="a path as a zone"),
            pytest.param("book", {"timezone": "Mars/Olympus"}, "cannot be read", id="an unknown zone"),
            pytest.param("book", {"start": "2026-11-25T12:59"}, "must be ahead", id="a minute ago in Berlin"),
            pytest.param("book", {"start": "2028-11-25T12:59"}, "within two years", id="too far ahead"),
            pytest.param("move", {"start": "2026-11-26T06:00"}, "already starts then", id="a move to the same start"),
            pytest.param("move", {"invitee": "nobody"}, "This booking does not exist.", id="an unknown booking"),
            pytest.param("move", {"by": "nobody"}, "by the invitee or by the host", id="an unknown mover"),
            pytest.param("hand-over", {"invitee": "nobody"}, "does not exist", id="hand over an unknown booking"),
            pytest.param("cancel", {"by": "nobody"}, "by the invitee or by the host", id="an unknown canceler"),
            pytest.param("cancel", {"invitee": "nobody"}, "No booking 'nobody'", id="cancel an unknown booking"),
        ],
    )
    def test_what_a_form_refuses(
        self, page: httpx.Client, world: World, form: str, change: dict[str, str], message: str
    ) -> None:
        """A form that cannot be carried out: 400, the page says why, and nothing has changed."""
        uri = world.book(start=START)
        before = dict(world.invitees[uri])
        good = {
            "book": FORM,
            "move": {"invitee": uri, "start": FORM["start"]},
            "cancel": {"invitee": uri, "by": "host"},
            "hand-over": {"invitee": uri},
        }

        answer = page.post(f"/sandbox/{form}", data={**good[form], **change})

        assert answer.status_code == 400
        assert message in alert(answer)
        assert world.invitees == {uri: before}

    def test_what_was_typed_is_kept(self, page: httpx.Client, world: World) -> None:
        """After an error the form for booking still holds what was typed; a refused move does not spill into it."""
        uri = world.book(start=START)

        refused_booking = page.post("/sandbox/book", data={**FORM, "start": "2020-01-01T00:00"})
        refused_move = page.post("/sandbox/move", data={"invitee": uri, "start": "2020-01-01T00:00"})

        assert 'value="Theo Brandt"' in refused_booking.text
        assert 'value="2020-01-01T00:00"' in refused_booking.text
        assert "<option selected>Video call</option>" in refused_booking.text
        assert alert(refused_move)
        assert "2020-01-01" not in refused_move.text

    def test_a_forms_address_leads_back(self, page: httpx.Client) -> None:
        """Opening a form's address, as after a reload of an error, leads to the page."""
        assert page.get("/sandbox/book").headers["location"] == "/"


class TestPage:
    """What is shown."""

    def test_the_phone_shows_texts_newest_first(self, page: httpx.Client, world: World) -> None:
        """A text posted to the API is on the page and in the piece that the page fetches; a scheduled one waits."""
        for name in ("Theo", "Ines"):
            page.post(
                "/v1/messages",
                auth=("key", "secret"),
                json={"to": ["+12025550100"], "template": {"id": TEMPLATE_CONFIRM, "params": {"name": name}}},
            )
        world.texts.append(Text(at=NOW + HOUR, to="+1", template_id="", params={}, body="later"))

        whole, piece = words(page.get("/")), words(page.get("/sandbox/texts"))

        assert re.search(r"to \+12025550100 Wed 25 Nov, 12:00:00 UTC \[North Pier Dental\] Hello Ines, .* Theo,", piece)
        assert piece in whole
        assert "{{time}}" in piece
        assert "later" not in piece

    def test_empty(self, page: httpx.Client, world: World) -> None:
        """Without bookings and texts the page says what to do."""
        assert not world.texts

        shown = words(page.get("/"))

        assert "None yet. Book one above." in shown
        assert "No text yet." in shown

    def test_nothing_from_outside_becomes_markup(self, page: httpx.Client, world: World) -> None:
        """Names, numbers, zones and texts are shown as they are, also half a character; nothing runs."""
        evil = "<script>alert(1)</script>\"'&\ud83d"
        uri = world.book(start=START, name=evil, phone=evil, timezone=evil)
        world.texts.append(Text(at=NOW, to=evil, template_id="", params={}, body=evil))

        shown = page.get("/")

        assert shown.status_code == 200
        assert "<script>alert" not in shown.text
        assert shown.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
        world.erase(uri, name=None)
        assert "(erased) active Phone consultation · Thu 26 Nov 2026, 12:00" in words(page.get("/"))

    def test_the_browser_is_told_to_run_nothing_else(self, page: httpx.Client, clock: Clock) -> None:
        """Only the page's own script and style run, by a fresh nonce; nothing is kept, nobody may frame it."""
        clock.advance(3600)
        one, other = page.get("/"), page.get("/")

        policies = [answer.headers["content-security-policy"] for answer in (one, other)]
        nonces = [re.findall(r'nonce="([^"]+)"', answer.text) for answer in (one, other)]

        assert [len(set(found)) for found in nonces] == [1, 1]
        assert nonces[0] != nonces[1]
        assert f"script-src 'nonce-{nonces[0][0]}'" in policies[0]
        assert "default-src 'none'" in policies[0]
        assert "frame-ancestors 'none'" in policies[0]
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["date"] == "Wed, 25 Nov 2026 12:00:00 GMT"

    def test_the_settings_are_complete(self, page: httpx.Client, server: SandboxServer) -> None:
        """The page shows the lines for `.env`, with the address that the browser called."""
        lines = env_lines(server.url)

        shown = page.get("/")

        assert f"CALENDLY_API_URL={server.url}" in lines
        assert f"CALENDLY_TOKEN={SANDBOX_TOKEN}" in lines
        assert len([line for line in lines if line.startswith("TEMPLATE_ID_")]) == 6
        assert "\n".join(lines) in html.unescape(shown.text)

    def test_the_page_counts_as_no_request(self, page: httpx.Client, world: World) -> None:
        """Only requests to the APIs are recorded."""
        page.get("/")
        page.get("/sandbox/texts")

        assert world.requests == []


class TestFences:
    """Loopback only, and no forms from other sites."""

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("127.0.0.1:1", 200),
            ("localhost", 200),
            ("LOCALHOST:8000", 200),
            ("[::1]:8000", 200),
            ("sandbox.example", 403),
            ("127.0.0.1.example:8000", 403),
            ("192.168.1.5:8000", 403),
            ("[::1", 403),
            ("", 403),
        ],
    )
    @pytest.mark.parametrize("path", ["/", "/v1/template-configs"])
    def test_other_hosts(self, page: httpx.Client, world: World, host: str, status: int, path: str) -> None:
        """A Host that is not this machine is refused, for the page and the APIs alike, and not even recorded."""
        answer = page.get(path, headers={"Host": host}, auth=("key", "secret"))

        assert answer.status_code == status
        assert len(world.requests) == (status == 200 and path != "/")

    @pytest.mark.parametrize(
        ("headers", "allowed"),
        [
            pytest.param({}, True, id="no browser"),
            pytest.param({"Origin": "OWN", "Sec-Fetch-Site": "same-origin"}, True, id="the page itself"),
            pytest.param({"Sec-Fetch-Site": "none"}, True, id="a person's own doing"),
            pytest.param({"Origin": "https://evil.example"}, False, id="another site"),
            pytest.param({"Origin": "null"}, False, id="a sandboxed frame"),
            pytest.param({"Origin": "http://127.0.0.1:1"}, False, id="another port"),
            pytest.param({"Sec-Fetch-Site": "cross-site"}, False, id="a site that hides its origin"),
            pytest.param({"Sec-Fetch-Site": "same-site"}, False, id="a neighbour"),
        ],
    )
    def test_forms_from_other_sites(
        self, page: httpx.Client, server: SandboxServer, world: World, headers: dict[str, str], allowed: bool
    ) -> None:
        """A POST that another site made a browser send is refused, for forms and the API alike."""
        sent = {name: server.url if value == "OWN" else value for name, value in headers.items()}

        form = page.post("/sandbox/book", data=FORM, headers=sent)
        api = page.post(
            "/v1/messages",
            json={"to": ["+12025550100"], "template": {"id": TEMPLATE_CONFIRM, "params": {}}},
            headers=sent,
            auth=("key", "secret"),
        )

        assert (form.status_code, api.status_code) == ((303, 200) if allowed else (403, 403))
        assert (len(world.invitees), len(world.texts)) == ((1, 1) if allowed else (0, 0))

    def test_too_much_data(self, page: httpx.Client, world: World) -> None:
        """A body above a megabyte is refused before anybody reads it."""
        answer = page.post("/v1/messages", content=b"x" * 1_000_001, auth=("key", "secret"))

        assert answer.status_code == 413
        assert world.requests == []


class TestServer:
    """Starting, stopping, speed."""

    def test_it_listens_on_loopback_only_and_frees_its_port(self) -> None:
        """The port is known at once, bound to 127.0.0.1, taken while it serves, free afterwards."""
        with SandboxServer(World(Clock())) as server:
            address = server._socket.getsockname()
            with pytest.raises(OSError, match="in use"):
                SandboxServer(World(Clock()), server.port)

        assert address == ("127.0.0.1", server.port)
        assert server.url == f"http://127.0.0.1:{server.port}"
        with socket.socket() as again:
            again.bind(("127.0.0.1", server.port))

    def test_answers_do_not_wait_for_more_to_send(self, page: httpx.Client) -> None:
        """An answer on a connection in use takes a millisecond, not the 40 of a delayed acknowledgment."""

        def timed() -> float:
            began = time.perf_counter()
            page.get("/sandbox/texts")
            return time.perf_counter() - began

        durations = [timed() for _ in range(12)]

        assert min(durations[2:]) < 0.03

    @pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
    def test_serve_ends_at_a_signal(self, stop: signal.Signals) -> None:
        """`serve` says its address once it answers, and returns at SIGTERM or SIGINT."""
        code = (
            "from datetime import UTC, datetime\n"
            "from syncer.sandbox.server import serve\n"
            "from syncer.sandbox.world import World\n"
            "serve(World(lambda: datetime.now(UTC)), ready=lambda url: print(url, flush=True))\n"
            "print('ended', flush=True)\n"
        )

        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            answer = httpx.get(process.stdout.readline().strip(), trust_env=False)
            process.send_signal(stop)
            rest, _ = process.communicate(timeout=10)

        assert answer.status_code == 200
        assert (rest, process.returncode) == ("ended\n", 0)

    def test_the_world_is_safe_from_several_threads(self, page: httpx.Client, world: World) -> None:
        """Booking while the page is read gives each booking an own URI and loses none."""

        def book() -> None:
            for at in range(50):
                world.book(start=START + timedelta(minutes=at))

        threads = [threading.Thread(target=book) for _ in range(4)]
        for thread in threads:
            thread.start()
        statuses = {page.get("/").status_code for _ in range(5)}
        for thread in threads:
            thread.join()

        assert statuses == {200}
        assert (len(world.invitees), len(world.events)) == (200, 200)


def test_the_sandbox_stands_alone() -> None:
    """The sandbox imports nothing of syncer but itself: what it plays it must not know from its client."""
    folder = Path(syncer.sandbox.__file__).parent
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")]

    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "." * node.level for node in nodes if isinstance(node, ast.ImportFrom)}
    own = {name for name in names if name.split(".")[0] in {"", "syncer"}}

    assert len(own) > 5
    assert {name for name in own if not name.startswith("syncer.sandbox")} == set()
