"""Moves and cancellations as Calendly shows them, for worker tests on fakes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from support.builders import an_event, an_invitee

if TYPE_CHECKING:
    from datetime import datetime

    from support.worker_on_fakes import WorkerOnFakes
    from syncer.model import Event, Host, Invitee

MARA = "https://api.calendly.com/users/u1"


def book(stage: WorkerOnFakes, name: str, start: datetime, **over: Any) -> Invitee:
    """Book a meeting of one guest; `calendar` is the id of its entry in the host's calendar."""
    calendar = str(over.pop("calendar", f"entry-{name}"))
    event = an_event(name, start=start, external_id=calendar)
    number = f"+1312555{len(stage.calendly.known):04}"
    fields: dict[str, Any] = {"text_reminder_number": number, "email": f"{name}@example.com", "created_at": stage.now}
    invitee = an_invitee(event, **(fields | over))
    stage.calendly.put(event, invitee)
    return invitee


def cancel(stage: WorkerOnFakes, invitee: Invitee, *, by: str = "host", at: datetime | None = None) -> None:
    """Cancel a booking of one guest, and with it the event."""
    event = stage.calendly.known[invitee.event]
    at = at or stage.now
    gone = replace(invitee, status="canceled", canceled_at=at, canceler_type=by)
    stage.calendly.put(replace(event, status="canceled", active=0), gone)


def move(
    stage: WorkerOnFakes,
    invitee: Invitee,
    to: datetime,
    *,
    by: str = "host",
    linked: bool = True,
    rescheduled: bool = True,
    hosts: tuple[Host, ...] | None = None,
    gap: timedelta = timedelta(0),
) -> Invitee:
    """Move a booking: the old event is canceled, a new one has the same calendar entry. Returns the new invitee.

    `linked` = False leaves the links out, `rescheduled` the flag; `gap` lies between the two halves.
    """
    cancel(stage, invitee, by=by)
    event = stage.calendly.known[invitee.event]
    name = f"{event.uri.rpartition('/')[2]}-moved"
    new_event: Event = replace(
        event,
        uri=f"https://api.calendly.com/scheduled_events/{name}",
        status="active",
        active=1,
        start=to,
        end=to + (event.end - event.start),
        hosts=event.hosts if hosts is None else hosts,
    )
    new = replace(
        invitee,
        uri=f"{new_event.uri}/invitees/{name}",
        event=new_event.uri,
        created_at=stage.now + gap,
        old_invitee=invitee.uri if linked else "",
        scheduled_by=MARA if by == "host" else "",
    )
    [old] = stage.calendly.people[event.uri]
    stage.calendly.put(event, replace(old, rescheduled=rescheduled, new_invitee=new.uri if linked else ""))
    stage.calendly.put(new_event, new)
    return new


def keys_of(stage: WorkerOnFakes, since: int = 0) -> list[str]:
    """The texts that reached the gateway, as `rule of event`, from the so-many-th on."""
    texts = stage.gateway.texts[since:]
    return [f"{text.plan_name.removeprefix('syncer/')} of {text.key.split('/')[4]}" for text in texts]
