"""Calendly in process: the records of the sandbox's world, read by the real decoders, page by page."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncer import calendly_accounts as accounts
from syncer import calendly_pages as pages
from syncer import calendly_shapes as shapes
from syncer.calendly import Listing
from syncer.calendly_answers import decipher
from syncer.errors import CalendlyBusy
from syncer.sandbox.call import Refusal
from syncer.sandbox.directory import OWNER
from syncer.sandbox.faults import spoiled
from syncer.sandbox.shapes import API, unstamp
from syncer.sieve import Sieve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from syncer.calendly import EventType
    from syncer.model import Invitee
    from syncer.sandbox.world import World


PAGE = 4


IN_DOUBT = ("token alone", "wrong count", "empty pagination", "null pagination", "no pagination")


"""What a page may say of itself that leaves open whether there is more."""


@dataclass
class DirectCalendly:
    """Calendly without sockets: the world's records as JSON, read by the real decoders, page by page.

    Attributes:
        faults: what happens to the next listings: "lost" (a page fails), "twice" (rows come twice), "empty".
        between: called between two pages: rows may shift during a walk.
        happened: what went wrong in listings since this was last emptied, by the names of `faults` and `page_faults`.
    """

    world: World
    clock: Callable[[], datetime]
    faults: list[str] = field(default_factory=list)
    between: Callable[[], None] | None = None
    happened: list[str] = field(default_factory=list)
    requests: int = 0
    limit: int | None = None
    last_date: datetime | None = None

    def _page(self, rows: Sequence[dict[str, Any]], faults: list[str], *, after: str | None = None) -> bytes:
        """Answer with one page as the API shows it; the next fault that is ordered spoils it."""
        self._asked()
        shown = [self.world.shown(row) for row in rows]
        answer: dict[str, Any] = {
            "collection": shown,
            "pagination": {"count": len(shown), "next_page": after, "next_page_token": after and "c3RyYXk"},
        }
        if faults:
            self.happened.append(faults[0])
            answer = spoiled(answer, faults.pop(0))
        return json.dumps(answer).encode()

    def _asked(self) -> None:
        self.requests += 1
        self.last_date = self.clock()

    def lanes(self, most: int) -> int:
        """As many as there may be."""
        return most

    def prepare_threads(self) -> None:
        """Need nothing."""

    def me(self) -> Any:
        """The organization's owner."""
        self.requests += 1
        body = json.dumps({"resource": self.world.host(OWNER)}).encode()
        return accounts.me(pages.resource(decipher(200, {}, body), "users/me"))

    def events(
        self,
        scope: Mapping[str, str],
        since: datetime | None,
        until: datetime | None,
        *,
        cuts: Sequence[datetime] = (),
        sieve: Sieve | None = None,
    ) -> Listing:
        """List the window, or raise; what is booked between two pages may be missed or seen twice."""
        assert scope
        assert not cuts, "so small an account is not cut"
        sieve = Sieve() if sieve is None else sieve
        fault = self.faults.pop(0) if self.faults else ""
        if fault:
            self.happened.append(fault)
        at = 0
        while True:
            rows = sorted(
                (
                    row
                    for row in self.world.events.values()
                    if (since is None or unstamp(row["start_time"]) >= since)
                    and (until is None or unstamp(row["start_time"]) <= until)
                ),
                key=lambda row: str(row["start_time"]),
            )
            part = [] if fault == "empty" else rows[at : at + PAGE]
            if fault == "lost" and at:
                raise CalendlyBusy("a page is lost", status=502)
            at += PAGE
            after = None if fault == "empty" or at >= len(rows) else f"{API}/scheduled_events?page_token=t{at}"
            body = self._page(part * (2 if fault == "twice" else 1), self.world.page_faults, after=after)
            events, unreadable, following = shapes.changed(body, "scheduled_events", sieve)
            sieve.take(events, unreadable)
            if not following:
                count = sieve.seen + len(sieve.found) + len(sieve.unreadable)
                return Listing(tuple(sieve.found), at // PAGE, count, sieve.unreadable, sieve.entries)
            if self.between is not None:
                self.between()

    def invitees(self, event_uri: str) -> tuple[Invitee, ...]:
        """Read the invitees of an event."""
        status = 404 if event_uri not in self.world.by_event else self.world.faults.refusal(event_uri)
        if status is not None:
            self._asked()
            decipher(status, {}, json.dumps(Refusal(status, "You are not allowed to view this event.").body).encode())
        rows = [self.world.invitees[uri] for uri in self.world.by_event[event_uri]]
        body = self._page(rows, self.world.invitee_page_faults)
        records, _ = pages.page(decipher(200, {}, body), "invitees")
        return tuple(shapes.invitee(record, event_uri) for record in records)

    def event_type(self, uri: str) -> EventType:
        """Read an event type."""
        self.requests += 1
        body = json.dumps({"resource": self.world.event_types[uri]}).encode()
        return accounts.event_type(pages.resource(decipher(200, {}, body), "event_types"))
