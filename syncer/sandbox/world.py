"""The whole state of the sandbox in memory: what the two APIs know, plus faults on order and a record of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from syncer.sandbox.faults import PAGE_FAULTS, Fault, Faults
from syncer.sandbox.ground import NotPossible
from syncer.sandbox.limits import Pages, Quota
from syncer.sandbox.oddities import ABSENT, Oddities
from syncer.sandbox.texts import (
    APPROVED,
    PENDING,
    REJECTED,
    SIGNATURE,
    TEMPLATE_CANCEL,
    TEMPLATE_CONFIRM,
    TEMPLATE_FOLLOWUP,
    TEMPLATE_HOST,
    TEMPLATE_REMINDER,
    TEMPLATE_RESCHEDULE,
    Text,
    Texting,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = [
    "ABSENT",
    "APPROVED",
    "PAGE_FAULTS",
    "PENDING",
    "REJECTED",
    "SANDBOX_DEV_KEY",
    "SANDBOX_DEV_SECRET",
    "SANDBOX_HOST_PHONE",
    "SANDBOX_TOKEN",
    "SIGNATURE",
    "TEMPLATE_CANCEL",
    "TEMPLATE_CONFIRM",
    "TEMPLATE_FOLLOWUP",
    "TEMPLATE_HOST",
    "TEMPLATE_REMINDER",
    "TEMPLATE_RESCHEDULE",
    "Fault",
    "NotPossible",
    "Seen",
    "Text",
    "World",
]

SANDBOX_TOKEN = "sandbox-token"  # noqa: S105  opens nothing but this sandbox, which takes any token anyway
SANDBOX_DEV_KEY = "sandbox-key"
SANDBOX_DEV_SECRET = "sandbox-secret"  # noqa: S105  likewise
SANDBOX_HOST_PHONE = "+13125550177"

FREE_PLAN = 50
"""Requests a minute on Calendly's free plan (developer.calendly.com, "Rate limits"); paid plans have 500."""


class Seen(NamedTuple):
    """A request that reached an API of the sandbox; `query` is the raw query string."""

    method: str
    path: str
    query: str


class World(Oddities, Texting):
    """Both providers, in memory. Safe to use from several threads; whoever reads more than one thing holds `lock`.

    Attributes:
        events: Calendly's events by URI, API-shaped.
        invitees: Calendly's invitees by URI, API-shaped.
        templates: EngageLab's templates by id.
        texts: what went out, oldest first.
        faults: what to do wrong next.
        page_faults: of `PAGE_FAULTS`: what the next pages of the events' listing say wrongly, one each.
        invitee_page_faults: likewise of the listings of an event's invitees.
        requests: what the two APIs were asked, oldest first; the human page is not counted.
        revoked_tokens: Calendly tokens to refuse; every other non-empty one is accepted.
        token_users: token -> user URI, for tokens that are not the owner's.
        empty_for_members: listing the organization without admin rights gives an empty 200 instead of a 403; both were
            seen.
        key_codes: dev_key -> 2001, 2002 or 2004: keys to refuse with that code.
    """

    def __init__(self, clock: Callable[[], datetime], *, page_limit: int = 100, rate_limit: int = 500) -> None:
        """Make a world with an owner, a second host, three event types and the approved templates; no bookings.

        Args:
            clock: gives the world's time, aware; nothing else tells it the time.
            page_limit: most rows on a page, even when `count` asks for more.
            rate_limit: requests a user and minute.
        """
        super().__init__(clock)
        self.page_limit = page_limit
        self.rate_limit = rate_limit
        if rate_limit > FREE_PLAN:
            self.organization.update(plan="professional", stage="paid")
        self.pages = Pages(self.now)
        self.quota = Quota(self.now)
        self.faults = Faults()
        self.page_faults: list[str] = []
        self.invitee_page_faults: list[str] = []
        self.requests: list[Seen] = []
        self.revoked_tokens: set[str] = set()
        self.token_users: dict[str, str] = {}
        self.empty_for_members = False
        self.key_codes: dict[str, int] = {}

    def delete_host(self, host: str) -> None:
        """Delete a host's user, by e-mail or URI: the events stay, and show `deleted` and no e-mail.

        Raises:
            NotPossible: no such host, or it is the owner.
        """
        with self.lock:
            uri = self.host(host)["uri"]
            if self.role_of(uri) == "owner":
                raise NotPossible("The owner cannot be deleted")
            del self.users[uri]
            self.memberships = {at: row for at, row in self.memberships.items() if row["user"]["uri"] != uri}
            self.groups = {at: members - {uri} for at, members in self.groups.items()}
            self.revoked_tokens |= {token for token, user in self.token_users.items() if user == uri}
            for event in self.events.values():
                for member in event["event_memberships"]:
                    if member["user"] == uri:
                        member.update(user_name="deleted", user_email=None)

    def record(self, method: str, path: str, query: str) -> None:
        """Note a request that reached an API."""
        with self.lock:
            self.requests.append(Seen(method, path, query))

    def count(self, path_prefix: str = "/", method: str | None = None) -> int:
        """Count the requests whose path starts so."""
        with self.lock:
            return sum(seen.path.startswith(path_prefix) and method in {None, seen.method} for seen in self.requests)
