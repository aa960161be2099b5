"""Which number of a booking is the guest's own. Pure.

A number may be in three places of a booking, and none of them is sure: a form may ask for somebody else's number as
well. Where several answers may be the guest's, the one whose question says so counts. Where nothing tells, nobody is
texted. A host may rename, remove or retype a question at any time: so a booking remembers which answer held the number.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncer import phones, questions
from syncer.phones import NoRecipient, Number
from syncer.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from syncer.model import Answer, Booking
    from syncer.rules import Policy

QUESTION = "question:"
ANY_QUESTION = "question:*"
"""The source that means all questions of type phone."""
NO_NUMBER = NoRecipient(Reason.NO_NUMBER)
SHARED_CALL = NoRecipient(Reason.NO_NUMBER, "the call's number of an event with several guests is not surely theirs")
FEWEST_DIGITS = 7
"""Of what looks like a number in an answer: the shortest international numbers have seven."""
_FEWEST_IN_A_GUESS = 3
_LONGEST_NAME = 60
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Found:
    """A guest's number.

    Attributes:
        number: one that takes texts.
        source: the one of `policy.phone_sources` that held it.
        question: of the answer that held it; "" where the source is no question.
    """

    number: Number
    source: str
    question: str = ""


def guest_number(booking: Booking, policy: Policy, phone_questions: frozenset[str] | None) -> Found | NoRecipient:
    """Find the guest's number in the first of `policy.phone_sources` that has one that takes texts.

    Args:
        booking: as read.
        policy: sources, countries.
        phone_questions: names of the event type's questions of type phone; None = not known: then those count that
            are called like one.

    Returns:
        The number, or why there is none; the detail then names the answers that were not read and may hold one.
    """
    refusals: list[NoRecipient] = []
    for source in policy.phone_sources:
        found = _look(source, booking, policy, phone_questions)
        if isinstance(found, Found):
            return found
        refusals += [found] if found is not None else []
    # Two numbers, either of which may be the guest's, are nearer to a text than a landline.
    unclear = [why for why in refusals if why.reason is Reason.UNCLEAR_QUESTION]
    why = next(iter([*unclear, *refusals]), NO_NUMBER)
    hint = _hint(booking, policy, phone_questions)
    detail = "; ".join(filter(None, [why.detail, hint]))
    return NoRecipient(why.reason, detail)


def needs_questions(booking: Booking, policy: Policy) -> bool:
    """Whether the number hangs on which questions are of type phone, so that the event type must be read.

    So it is when `question:*` is reached, no earlier source having a number that takes texts, the booking does not
    remember its answer, and there is one that may hold a number.
    """
    if booking.invitee.erased:
        return False
    for source in policy.phone_sources:
        if source == ANY_QUESTION:
            likely = any(sum(map(str.isdecimal, one.answer)) >= FEWEST_DIGITS for one in booking.invitee.answers)
            return likely and _remembered(source, booking, policy) is None
        if isinstance(_look(source, booking, policy, frozenset()), Found):
            return False
    return False


def _look(
    source: str, booking: Booking, policy: Policy, phone_questions: frozenset[str] | None
) -> Found | NoRecipient | None:
    """Look into one source; None = there is nothing in it."""
    event, invitee = booking.event, booking.invitee
    if source == "text_reminder_number":
        return _read(invitee.text_reminder_number, source, policy)
    # The number is the event's, so in a group it is one guest's. inbound_call is the host's: never a source.
    if source == "outbound_call" and event.location is not None and event.location.kind == "outbound_call":
        alone = event.total <= 1 or not event.location.place.strip()
        return _read(event.location.place, source, policy) if alone else SHARED_CALL
    if source.startswith(QUESTION):
        return _remembered(source, booking, policy) or _answered(source, booking, policy, phone_questions)
    return None


def _read(text: str, source: str, policy: Policy, question: str = "") -> Found | NoRecipient | None:
    if not text.strip():
        return None
    number = phones.textable(text, policy)
    return number if isinstance(number, NoRecipient) else Found(number, source, question)


def _remembered(source: str, booking: Booking, policy: Policy) -> Found | None:
    """Read the answer that once held the guest's number, whatever became of its question since."""
    if booking.phone_source != source:
        return None
    for one in booking.invitee.answers:
        if one.question == booking.phone_question:
            found = _read(one.answer, source, policy, one.question)
            if isinstance(found, Found):
                return found
    return None


def _answered(
    source: str, booking: Booking, policy: Policy, phone_questions: frozenset[str] | None
) -> Found | NoRecipient | None:
    """Find the guest's number among the answers that a source means."""
    answers = [one for one in booking.invitee.answers if one.answer.strip() and _is_meant(one, source, phone_questions)]
    read = [(one, _read(one.answer, source, policy, one.question)) for one in answers]
    good = [(questions.likeness(one.question), found) for one, found in read if isinstance(found, Found)]
    if not good:
        return next((found for _, found in read if isinstance(found, NoRecipient)), None)
    best = min(rank for rank, _ in good)
    surest = [found for rank, found in good if rank is best]
    if len({found.number.number for found in surest}) > 1:
        names = _names(found.question for found in surest)
        return NoRecipient(Reason.UNCLEAR_QUESTION, f"{names} hold different numbers")
    return surest[0]


def _is_meant(one: Answer, source: str, phone_questions: frozenset[str] | None) -> bool:
    """Whether a source means this answer: by the question's exact name, by its type, or by what it is called."""
    wanted = source.removeprefix(QUESTION)
    if wanted != "*":
        return _same(one.question, wanted)
    if questions.is_about_somebody_else(one.question):
        return False
    if phone_questions is not None:
        return any(_same(one.question, name) for name in phone_questions)
    # "May we send you an SMS?" is called like one, too: an answer with hardly a digit is not looked at.
    return questions.asks_for_phone(one.question) and sum(map(str.isdecimal, one.answer)) >= _FEWEST_IN_A_GUESS


def _same(question: str, name: str) -> bool:
    return _plain(question) == _plain(name)


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _hint(booking: Booking, policy: Policy, phone_questions: frozenset[str] | None) -> str:
    """Name the answers that may hold a number and that no source reads, and the setting that would read them."""
    answers = [one for one in booking.invitee.answers if not _is_read(one, policy, phone_questions)]
    unread = [one.question for one in answers if may_hold_number(one, policy)]
    if not unread:
        return ""
    others = [name for name in unread if questions.is_about_somebody_else(name)]
    own = [name for name in unread if name not in others]
    names = own or others
    what = f"the answer to {_names(names)} looks like a number, and phones.sources does not read it"
    if not own:
        what = f"the answer to {_names(names)} looks like a number, but the question seems to be about somebody else"
    return f'{what}: if it is the guest\'s own, add "{QUESTION}{_shown(names[0])}" to phones.sources'


def _is_read(one: Answer, policy: Policy, phone_questions: frozenset[str] | None) -> bool:
    return any(
        _is_meant(one, source, phone_questions) for source in policy.phone_sources if source.startswith(QUESTION)
    )


def may_hold_number(one: Answer, policy: Policy) -> bool:
    """Whether an answer looks like a telephone number: an order's number does not."""
    if questions.asks_for_phone(one.question):
        return sum(map(str.isdecimal, one.answer)) >= FEWEST_DIGITS
    international = one.answer.strip(" (\u202a\u202d\u2066").startswith(("+", "00", "＋"))
    return international and phones.looks_like_number(one.answer, policy.country)


def _names(names: Iterable[str]) -> str:
    """List questions, each once."""
    shown = [f'"{_shown(name)}"' for name in dict.fromkeys(names)]
    more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
    return ", ".join(shown[:_MOST_NAMED]) + more


def _shown(name: str) -> str:
    """Write a question's name on one line, without the digits of a number that may stand in it."""
    words = " ".join("".join(_masked(name)).split())
    return words if len(words) <= _LONGEST_NAME else words[: _LONGEST_NAME - 1] + "…"


def _masked(name: str) -> Iterator[str]:
    digits = sum(map(str.isdecimal, name))
    for character in name:
        yield "*" if digits >= FEWEST_DIGITS and character.isdecimal() else character
