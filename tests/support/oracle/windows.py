"""When each text is due, and until when it is worth sending, with the built-in rules."""

from __future__ import annotations

from datetime import timedelta

NEWS = timedelta(hours=6)
"""How long a booking, a move or a cancellation is news."""
SETTLE = timedelta(seconds=30)
"""A cancellation that is younger is not believed."""
REMINDERS = {"reminder-24h": timedelta(hours=24), "reminder-1h": timedelta(hours=1)}
"""How long before the start each is due."""
MOST_LATE = timedelta(hours=2)
"""No reminder leaves later than that, nor after the start."""
FOLLOW_UP = timedelta(minutes=30)
"""How long after the end it is due."""
FOLLOW_UP_LIFE = timedelta(hours=24)
"""How long it is worth sending."""
