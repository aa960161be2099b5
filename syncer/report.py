"""The counts of one run: what `run.completed` says."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Report:
    """What one run saw and did, counted by the code that did it.

    Attributes:
        events: events in the complete listing.
        changed: events whose invitees were read.
        created: bookings seen for the first time.
        canceled: bookings whose cancellation was noticed.
        rescheduled: bookings that were moved.
        planned: messages newly scheduled.
        sent: texts the gateway accepted.
        retried: messages that it did not take now and that are tried again.
        failed: messages refused for good.
        unknown: messages nobody knows the fate of.
        expired: messages whose time passed.
        skipped: messages that a rule forbids.
        deferred: messages whose time has come and that wait all the same.
        events_unreadable: events that cannot be read: nothing leaves about them.
        requests: requests to Calendly.
        duration_ms: how long it took.
        oldest_due_s: seconds that the longest waiting due message had been due.
        next_run_s: seconds until the next run of the loop; None = no run follows by itself.
    """

    events: int = 0
    changed: int = 0
    created: int = 0
    canceled: int = 0
    rescheduled: int = 0
    planned: int = 0
    sent: int = 0
    retried: int = 0
    failed: int = 0
    unknown: int = 0
    expired: int = 0
    skipped: int = 0
    deferred: int = 0
    events_unreadable: int = 0
    requests: int = 0
    duration_ms: int = 0
    oldest_due_s: int = 0
    next_run_s: int | None = None

    def count(self, what: str) -> None:
        """Count one event of a message, by the last word of its name; words that have no count are passed over."""
        name = {"retry_scheduled": "retried"}.get(what, what)
        if name != "canceled" and hasattr(self, name):
            setattr(self, name, getattr(self, name) + 1)

    def as_dict(self) -> dict[str, int]:
        """All counts by name; what is None is left out."""
        return {name: count for name, count in asdict(self).items() if count is not None}
