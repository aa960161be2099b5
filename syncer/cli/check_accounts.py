"""The part of `syncer check` that looks at Calendly: login, role, scope, clock, limit, event types, hosts."""

from __future__ import annotations

import difflib
from datetime import timedelta
from typing import TYPE_CHECKING

from syncer.errors import SyncerError
from syncer.model import Audience
from syncer.rules import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from syncer.calendly import Calendly, EventType, Me
    from syncer.cli.checking import Checklist
    from syncer.config import Settings

OF_RULE = "event_types"
ADMINS = frozenset({"owner", "admin"})


def check_calendly(facts: Checklist, settings: Settings) -> Me | None:
    """Check all of Calendly's side; returns whose token it is, None = nobody's."""
    from syncer.cli.building import a_reader

    with a_reader(settings) as calendly:
        me = _check_login(facts, calendly)
        if me is not None:
            if _check_scope(facts, settings, calendly, me):
                _check_event_types(facts, settings, calendly, me)
                _check_hosts(facts, settings, calendly, me)
            _check_clock(facts, calendly)
            if calendly.limit is not None:
                facts.ok(f"Calendly's limit: {calendly.limit} requests a minute, {calendly.remaining or 0} left now")
    return me


def _check_login(facts: Checklist, calendly: Calendly) -> Me | None:
    try:
        me = calendly.me()
    except SyncerError as error:
        facts.fail(f"CALENDLY_TOKEN: {error}", error.remedy)
        return None
    facts.ok(f"CALENDLY_TOKEN: belongs to {me.uri} of {me.organization}")
    return me


def _check_scope(facts: Checklist, settings: Settings, calendly: Calendly, me: Me) -> bool:
    """Check the role, which decides more than it says: without admin rights an organization may list as empty."""
    from syncer.cli.building import now
    from syncer.listing import scope_of

    scope = settings.scope
    try:
        role = calendly.role(me)
    except SyncerError as error:
        facts.fail(f"calendly.scope: the token's role cannot be read: {error}", error.remedy)
        return False
    if role not in ADMINS and scope != "user":
        remedy = "Use an owner's or admin's token, or set calendly.scope = \"user\""
        facts.fail(
            f"calendly.scope: {scope} needs the role owner or admin, this token's is {role or 'not known'}", remedy
        )
        return False
    try:
        listing = calendly.events(
            scope_of(scope, account=me.organization, user=me.uri), now(), now() + timedelta(days=7)
        )
        if listing.events:  # the same scope of the token, asked for in another place
            calendly.invitees(listing.events[0].uri)
    except SyncerError as error:
        facts.fail(f"calendly.scope: {scope} cannot be listed: {error}", error.remedy)
        return False
    facts.ok(f"calendly.scope: {scope}, role {role}, events: {len(listing.events)} in the next 7 days")
    return True


def _named_types(settings: Settings) -> Iterator[tuple[str, str]]:
    """List the event types that the settings name, each with the setting."""
    for rule in settings.policy.rules:
        for name in sorted(rule.event_types or ()):
            yield f"rule {rule.name}, {OF_RULE}", name
    for name in settings.policy.languages_by_event_type:
        yield "languages.by_event_type", name


def _listed_names(settings: Settings) -> set[str]:
    """Read which names the known events have: an event keeps the name that its type had when it was booked."""
    from syncer.store import Store, database

    try:
        with Store(database.open_read_only(settings.db)) as store:
            return {name for name, _ in store.event_names()}
    except SyncerError:
        return set()  # there is none yet, or its own line says what is wrong with it


def _check_event_types(facts: Checklist, settings: Settings, calendly: Calendly, me: Me) -> None:
    """Check that event types can be read (which questions ask for a number?), and that those named are there."""
    try:
        found = calendly.event_types(
            {"user": me.uri} if settings.scope == "user" else {"organization": me.organization}
        )
    except SyncerError as error:
        facts.fail(f"CALENDLY_TOKEN: event types cannot be read: {error}", error.remedy)
        return
    names = {one.name for one in found} | _listed_names(settings)
    known, good = {plain(name) for name in names} | {plain(one.uri) for one in found}, True
    for setting, name in _named_types(settings):
        if plain(name) not in known:
            near = difflib.get_close_matches(name, sorted(names), n=1)
            remedy = f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(sorted(names)) or 'none'}"
            # A rule texts nobody about it; a language that nobody has keeps no text back.
            say = facts.fail if setting.endswith(OF_RULE) else facts.warn
            say(f'{setting}: "{name}" is no event type of this account', remedy)
            good = False
    if good:
        asking = sum(bool(one.phone_questions) for one in found)
        facts.ok(f"event types: {len(found)}, of which {asking} ask for a number")
    _say_questions(facts, settings, found)


def _say_questions(facts: Checklist, settings: Settings, found: Iterable[EventType]) -> None:
    """Say which questions look like ones for a number and are not read, and which setting reads them."""
    from syncer import questions
    from syncer.guest_number import QUESTION

    named = {plain(source) for source in settings.policy.phone_sources}

    def is_read(name: str) -> bool:
        return plain(f"{QUESTION}{name}") in named

    for one in found:
        own = [name for name in one.phone_questions if not questions.is_about_somebody_else(name)]
        asked = bool(own) or any(map(is_read, one.phone_questions | one.other_questions))
        for name in sorted(one.phone_questions | one.other_questions):
            if is_read(name) or not (name in one.phone_questions or questions.asks_for_phone(name)):
                continue
            if questions.is_about_somebody_else(name):
                why = "is not read, as it seems to be about somebody else"
            elif name in one.other_questions:
                why = "is not read, as it is not of the type phone number"
            else:
                continue
            message = f'event type "{one.name}": the question "{name}" {why}'
            remedy = f'If it is the guest\'s own number, add "{QUESTION}{name}" to phones.sources'
            if asked:
                facts.ok(f"{message}. {remedy}")
            else:
                facts.warn(message, remedy)


def _check_hosts(facts: Checklist, settings: Settings, calendly: Calendly, me: Me) -> None:
    """Check that hosts who are to be texted have a number, and that those in the settings are somebody."""
    policy = settings.policy
    if settings.scope == "user" or not (policy.hosts or any(rule.to is Audience.HOST for rule in policy.rules)):
        return
    try:
        members = {one.email.lower() for one in calendly.memberships(me.organization)}
    except SyncerError as error:
        facts.warn(f"hosts: the organization's members cannot be read: {error}", error.remedy)
        return
    strangers = sorted(policy.hosts.keys() - members)
    for email in strangers:
        facts.warn(f'hosts."{email}": is no member of this organization', "Correct the e-mail, or take it out")
    bare = sum(not (email in policy.hosts and policy.hosts[email].phone) for email in members)
    if bare and not policy.host_phone and any(host.phone for host in policy.hosts.values()):
        remedy = "Give them one in [hosts], or set HOST_PHONE"
        facts.warn(f"hosts: {bare} of {len(members)} members have no number: nobody is told of their bookings", remedy)
    elif not strangers:
        facts.ok(f"hosts: {len(members)} members, {len(members) - bare} with a number of their own")


def _check_clock(facts: Checklist, calendly: Calendly) -> None:
    from syncer.cli.building import now
    from syncer.run import CLOCK_TOLERANCE

    off = calendly.skew(now())
    if off is None:
        return
    if abs(off) > CLOCK_TOLERANCE:
        facts.fail(f"clock: {int(off.total_seconds())} s off Calendly's", "Set the clock (timedatectl)")
    else:
        facts.ok("clock: agrees with Calendly's")
