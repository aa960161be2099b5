"""Why a message is in its state: codes that the program decides by, each with a sentence for people. Pure.

A code is stable and is what the database, the JSON output and the log hold. The sentence and the remedy are prose: they
may change at any time, and nothing is decided by them. What concerns one message alone stands in its `detail`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reason(StrEnum):
    """Codes of reasons; the database has the same ones in its table `reasons`."""

    NONE = ""
    """Nothing is to be said. In the database: NULL."""
    NO_NUMBER = "no_number"
    NEEDS_COUNTRY = "needs_country"
    INVALID_NUMBER = "invalid_number"
    TWO_NUMBERS = "two_numbers"
    EXTENSION = "extension"
    LANDLINE = "landline"
    NOT_MOBILE = "not_mobile"
    COUNTRY_NOT_ALLOWED = "country_not_allowed"
    UNCLEAR_QUESTION = "unclear_question"
    OPTED_OUT = "opted_out"
    ERASED = "erased"
    EMPTY_FIELD = "empty_field"
    FIELD_REFUSED = "field_refused"
    FIELD_TOO_LONG = "field_too_long"
    TOO_LONG = "too_long"
    OVER_CAP = "over_cap"
    BOOKED_LATE = "booked_late"
    BEFORE_BIRTH = "before_birth"
    BEFORE_RULE = "before_rule"
    SEEN_LATE = "seen_late"
    AFTER_START = "after_start"
    NOT_TOLD = "not_told"
    OWN_CANCELLATION = "own_cancellation"
    DUPLICATE = "duplicate"
    ALREADY_SENT = "already_sent"
    SUPERSEDED = "superseded"
    QUIET_HOURS = "quiet_hours"
    LATE = "late"
    BOOKING_CANCELED = "booking_canceled"
    BOOKING_MOVED = "booking_moved"
    NO_RULE = "no_rule"
    BY_OPERATOR = "by_operator"
    EVENT_MISSING = "event_missing"
    GUEST_MISSING = "guest_missing"
    EVENT_UNREADABLE = "event_unreadable"
    MUST_REREAD = "must_reread"
    BEYOND_HORIZON = "beyond_horizon"
    HELD_TEMPLATE = "held_template"
    HELD_BY_GUARD = "held_by_guard"
    WAITS_LIMIT = "waits_limit"
    PROVIDER_REFUSED = "provider_refused"
    PROVIDER_LATER = "provider_later"
    HALTED = "halted"
    OUTAGE = "outage"
    NO_ANSWER = "no_answer"
    INTERRUPTED = "interrupted"
    RESTORED = "restored"
    CLOCK_PLACE = "clock_place"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reason means, and what to do; an empty `remedy` means that nothing need be done."""

    sentence: str
    remedy: str = ""


_LOG_IN = "Run `syncer check`: it says what EngageLab refuses"

EXPLANATIONS: Mapping[Reason, Explanation] = {
    Reason.NO_NUMBER: Explanation(
        "The booking has no phone number.", "Ask for one in the booking form, or set `phones.sources`"
    ),
    Reason.NEEDS_COUNTRY: Explanation(
        "The number has no country code.", "Set `country` for numbers that are written without one"
    ),
    Reason.INVALID_NUMBER: Explanation("The number is not a valid one.", "Correct it in Calendly or in the settings"),
    Reason.TWO_NUMBERS: Explanation("The field holds more than one number.", "Ask the guest which one is right"),
    Reason.EXTENSION: Explanation("The number has an extension: it reaches no mobile.", "Ask for a mobile number"),
    Reason.LANDLINE: Explanation(
        "The number is a landline.", "Ask for a mobile number, or set `phones.allow_landlines`"
    ),
    Reason.NOT_MOBILE: Explanation("The number is not a mobile number.", "Ask for a mobile number"),
    Reason.COUNTRY_NOT_ALLOWED: Explanation(
        "The number's country is not allowed.", "Add it to `phones.allowed_countries`"
    ),
    Reason.UNCLEAR_QUESTION: Explanation(
        "It is not clear which answer is the guest's own number.", "Name the question in `phones.sources`"
    ),
    Reason.OPTED_OUT: Explanation("The number is opted out.", "`syncer optout remove` allows it again"),
    Reason.ERASED: Explanation("The person was erased."),
    Reason.EMPTY_FIELD: Explanation(
        "A field of the text is empty for this booking.", "Give the field a default: {field|words}"
    ),
    Reason.FIELD_REFUSED: Explanation(
        "A field of the text holds nothing that may stand in an SMS.", "Give the field a default: {field|words}"
    ),
    Reason.FIELD_TOO_LONG: Explanation("A field of the text is too long.", "Use a shorter field in the rule's params"),
    Reason.TOO_LONG: Explanation("The text is longer than `limits.segments_per_message` allows.", "Raise it"),
    Reason.OVER_CAP: Explanation(
        "The number has had as many texts in 24 hours as `limits.per_number_per_day` allows.", "Raise it"
    ),
    Reason.BOOKED_LATE: Explanation(
        "The booking was made when the text's time had passed.", '`late = "send"` in the rule sends it at once'
    ),
    Reason.BEFORE_BIRTH: Explanation(
        "The text was due before this database was made.", "Nothing need be done: what is due from then on is sent"
    ),
    Reason.BEFORE_RULE: Explanation(
        "The text was due before the settings that want it.", "Nothing need be done: what is due from then on is sent"
    ),
    Reason.SEEN_LATE: Explanation(
        "The text's time had passed when syncer first saw the booking.",
        "A longer `max_lateness` of the rule, or a shorter `interval`, lets it leave",
    ),
    Reason.AFTER_START: Explanation("The text's time comes when the meeting has begun or is over."),
    Reason.NOT_TOLD: Explanation("The person was never told of this booking."),
    Reason.OWN_CANCELLATION: Explanation(
        "The person canceled the booking themselves.", "`to_canceler = true` tells them all the same"
    ),
    Reason.DUPLICATE: Explanation("The number gets this very text for another seat of the event."),
    Reason.ALREADY_SENT: Explanation("The number has had this very text."),
    Reason.SUPERSEDED: Explanation("A later reminder of the same meeting is due as well."),
    Reason.QUIET_HOURS: Explanation(
        "Quiet hours keep the text back.", "Change [quiet_hours], or set `quiet_hours = false` in the rule"
    ),
    Reason.LATE: Explanation("The text's time has passed.", "A longer `max_lateness` of the rule lets it leave later"),
    Reason.BOOKING_CANCELED: Explanation("The booking was canceled."),
    Reason.BOOKING_MOVED: Explanation("The booking was moved."),
    Reason.NO_RULE: Explanation("No rule wants the text any more."),
    Reason.BY_OPERATOR: Explanation("An operator's command decided."),
    Reason.EVENT_MISSING: Explanation(
        "Calendly does not list the event at the moment.", "Look at it in Calendly; the text waits until it is back"
    ),
    Reason.GUEST_MISSING: Explanation(
        "Calendly does not list the guest among the event's invitees.", "Look at the booking in Calendly"
    ),
    Reason.EVENT_UNREADABLE: Explanation(
        "The event cannot be read.", "`syncer status` names the event and says why; it is read again by itself"
    ),
    Reason.MUST_REREAD: Explanation("The booking must be read again before the text may leave."),
    Reason.BEYOND_HORIZON: Explanation("The event is beyond the `horizon`.", "Widen it, or set it to none"),
    Reason.HELD_TEMPLATE: Explanation(
        "The template cannot be used.", "`syncer check` says why; the text leaves when it can"
    ),
    Reason.HELD_BY_GUARD: Explanation(
        "Many bookings were canceled at once, which may be a mistake.",
        "If it is meant: `syncer retry ID`, or `syncer run --once --force` for all; if not: `syncer cancel ID`",
    ),
    Reason.WAITS_LIMIT: Explanation(
        "A limit of [limits] is reached; the text waits.", "Raise it, if the text must not wait"
    ),
    Reason.PROVIDER_REFUSED: Explanation(
        "EngageLab refused the text for good.", "When the cause is mended: `syncer retry ID`"
    ),
    Reason.PROVIDER_LATER: Explanation("EngageLab did not take the text; it is tried again."),
    Reason.HALTED: Explanation("EngageLab takes no text at all at the moment.", _LOG_IN),
    Reason.OUTAGE: Explanation("EngageLab cannot be reached, or does not answer; the text leaves when it does."),
    Reason.NO_ANSWER: Explanation(
        "EngageLab gave no usable answer: the text may have left.",
        "Look in EngageLab's console, then `syncer resolve ID --sent` or `--not-sent`",
    ),
    Reason.INTERRUPTED: Explanation(
        "syncer stopped before the answer came: the text may have left.",
        "Look in EngageLab's console, then `syncer resolve ID --sent` or `--not-sent`",
    ),
    Reason.RESTORED: Explanation(
        "The text was due before a backup was put back: it may have left.",
        "Look in EngageLab's console, then `syncer resolve ID --sent` or `--not-sent`",
    ),
    Reason.CLOCK_PLACE: Explanation("The clock time of the rule gives the booking no moment of its own."),
}
"""What each reason means; the database has a copy, for those who look into it with other programs."""


def in_words(reason: Reason, detail: str = "") -> str:
    """Write a reason for people: its sentence without the full stop, and what is special about this message.

    Args:
        reason: the code; NONE gives an empty text.
        detail: the prose of one message; may be empty.
    """
    if not reason:
        return detail
    sentence = EXPLANATIONS[reason].sentence.rstrip(".")
    return f"{sentence}: {detail}" if detail else sentence
