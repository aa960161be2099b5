"""Whose number is texted: the guest's own, never that of somebody else on the form; and it stays the guest's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from conftest import NOW, a_booking, an_event, an_invitee
from stage import Stage

from syncer.calendly import EventType
from syncer.cli import check_accounts
from syncer.errors import NotThere
from syncer.guest_number import Found, guest_number, needs_questions
from syncer.model import Answer, Location, State
from syncer.phones import NoRecipient
from syncer.questions import Likeness, asks_for_phone, is_about_somebody_else, likeness
from syncer.reasons import Reason
from syncer.rules import Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.store import Store

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
THEIRS, OWN, THIRD = "+13125550188", "+13125550142", "+13125550143"
TYPE = "https://api.calendly.com/event_types/t1"

SOMEBODY_ELSE = (
    "Emergency contact phone|ICE phone|Next of kin phone|Parent's phone|Parent / guardian mobile|Mother's cell"
    "|Phone of your father|Spouse phone|Partner's phone number|Your husband's mobile|Assistant phone|Secretary's phone"
    "|Phone (office)|Company phone|Fax|Fax or phone|Friend's phone|Referral phone|Phone of the person who referred you"
    "|Doctor's phone|Alternate contact phone|Whom should we call? Phone|Phone of someone else"
    "|Notfallkontakt (Telefon)|Notfallnummer|Telefon der Mutter|Handy des Vaters|Telefon Ihres Ehepartners"
    "|Telefonnummer der Eltern|Büro-Telefon|Firmentelefon|Telefon Sekretariat|Telefax|Telefonnummer eines Freundes"
    "|Telefon einer Angehörigen|Handynummer der Assistenz"
    "|Teléfono de emergencia|Teléfono de la madre|Móvil del padre|Teléfono de tu pareja|Teléfono de la empresa"
    "|Teléfono de un amigo|Teléfono de un familiar|Celular del cónyuge|Teléfono de la secretaria"
    "|Téléphone en cas d'urgence|Téléphone du père|Portable de la mère|Téléphone du conjoint|Téléphone du bureau"
    "|Télécopie|Téléphone d'un ami|Téléphone de l'assistante|Téléphone d'un proche|Téléphone de l'entreprise"
    "|Telefone de emergência|Celular da mãe|Telefone do pai|Telefone do responsável|Telefone do cônjuge"
    "|Telefone da empresa|Celular de um amigo|Telefone da secretária"
    "|緊急聯絡人電話|家長手機|父親電話|母親手機|配偶電話|公司電話|助理電話|朋友電話|傳真|監護人電話"
    "|紧急联系人电话|家长手机|父亲电话|母亲手机|配偶电话|公司电话|助理电话|朋友电话|传真|监护人电话"
    "|緊急連絡先電話番号|保護者の電話番号|お母様の携帯|父の電話|配偶者の電話|会社の電話番号|秘書の電話|友人の電話|ファックス"
    "|Telefono di emergenza|Cellulare della madre|Telefono dell'ufficio|Telefoon van een ouder|Noodnummer telefoon"
    "|Telefon rodzica|Telefon do opiekuna|Телефон родителя|Телефон для экстренной связи|Мобильный мамы"
    "|비상 연락처 전화|보호자 전화번호|회사 전화|เบอร์โทรฉุกเฉิน|เบอร์โทรผู้ปกครอง|Số điện thoại khẩn cấp"
    "|Số điện thoại phụ huynh"
    "|رقم هاتف الطوارئ|هاتف ولي الأمر|טלפון חירום|טלפון של ההורה"
).split("|")
GUESTS_OWN = (
    "Your mobile|Your mobile number|Mobile number|Mobile|Phone|Phone number|Cell|Contact number (mobile)"
    "|What is your phone number?|Mobile number for texts|WhatsApp|Ihre Handynummer|Handynummer|Mobilnummer"
    "|Telefonnummer für Rückfragen|Tu móvil|Teléfono móvil|¿Cuál es tu teléfono?|Teléfono con código de país|Celular"
    "|Votre portable|Numéro de portable|Seu celular|Telemóvel|Celular com DDD|您的手機|手機號碼|手机号码|您的电话"
    "|携帯電話番号"
    "|お電話番号|Il tuo cellulare|Uw mobiele telefoon|Telefoonnummer van de deelnemer|Twój telefon|Ваш телефон"
    "|휴대폰 번호"
    "|เบอร์มือถือ|Số điện thoại di động|رقم الجوال|טלפון נייד"
).split("|")


def booking(*answers: tuple[str, str], **over: Any) -> Any:
    """Make a booking without a number but in its answers."""
    event = an_event()
    invitee = an_invitee(event, text_reminder_number="", answers=tuple(Answer(*pair) for pair in answers))
    return a_booking(event, invitee, **over)


def found_in(made: Any, questions: frozenset[str] | None, **policy: Any) -> str:
    """Find the guest's number, or the code of why there is none."""
    found = guest_number(made, Policy(**policy), questions)
    return found.number.number if isinstance(found, Found) else found.reason


# Row 1.1: a question about somebody else is never a source.


@pytest.mark.parametrize("is_known", [True, False], ids=["types known", "types not known"])
@pytest.mark.parametrize("question", SOMEBODY_ELSE)
def test_a_number_of_somebody_else_is_never_texted(question: str, is_known: bool) -> None:
    """Alone, before and after the guest's own; by its type and by its name; but where a source names it exactly."""
    for own in ("Your mobile", "Mobile number", "Phone"):
        for answers in ([(question, THEIRS), (own, OWN)], [(own, OWN), (question, THEIRS)]):
            known = frozenset({question, own}) if is_known else None
            assert found_in(booking(*answers), known) == OWN

    alone = booking((question, THEIRS))
    known = frozenset({question}) if is_known else None
    assert found_in(alone, known) == "no_number"
    why = guest_number(alone, Policy(), known)
    assert isinstance(why, NoRecipient)
    assert question in why.detail
    assert f'"question:{question}"' in why.detail
    assert found_in(alone, known, phone_sources=(f"question:{question}",)) == THEIRS


@pytest.mark.parametrize("question", GUESTS_OWN)
def test_the_guests_own_number_is_texted(question: str) -> None:
    """By its type and by its name; no word about somebody else is seen in it."""
    assert not is_about_somebody_else(question)
    assert found_in(booking((question, OWN)), frozenset({question})) == OWN
    assert found_in(booking((question, OWN)), None) == OWN


@pytest.mark.parametrize("is_known", [True, False], ids=["types known", "types not known"])
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Phone", "Your mobile", OWN),
        ("Your mobile", "Work phone", THEIRS),
        ("Home phone", "Mobile number", OWN),
        ("Second phone", "Phone", OWN),
        ("Phone", "Mobile number", OWN),
        ("Telefon", "Mobilnummer für SMS", OWN),
        ("Phone 1", "Phone 2", "unclear_question"),
        ("Mobile", "Cell phone", "unclear_question"),
        ("Your phone", "Your mobile", "unclear_question"),
    ],
)
def test_of_two_numbers_the_guests_own_wins(first: str, second: str, expected: str, is_known: bool) -> None:
    """Wherever it stands; where nothing tells, nobody is texted and the questions are named."""
    known = frozenset({first, second}) if is_known else None
    here = booking((first, THEIRS), (second, OWN))
    there = booking((second, OWN), (first, THEIRS))

    assert found_in(here, known) == found_in(there, known) == expected
    if expected == "unclear_question":
        why = guest_number(here, Policy(), known)
        assert isinstance(why, NoRecipient)
        assert f'"{first}", "{second}"' in why.detail
        assert not any(number[1:] in why.detail for number in (THEIRS, OWN))
        assert found_in(here, known, phone_sources=(f"question:{second}", "question:*")) == OWN


def test_two_questions_with_one_number_are_clear() -> None:
    """However it is spelt in each."""
    made = booking(("Phone 1", OWN), ("Phone 2", "(312) 555-0142"))

    assert found_in(made, frozenset({"Phone 1", "Phone 2"}), country="US") == OWN


def test_a_later_source_helps_where_a_question_is_unclear() -> None:
    """A number for Calendly's own reminders is the guest's."""
    made = booking(("Phone 1", OWN), ("Phone 2", THEIRS))
    made = replace(made, invitee=replace(made.invitee, text_reminder_number=THIRD))

    assert found_in(made, None, phone_sources=("question:*", "text_reminder_number")) == THIRD


@pytest.mark.parametrize("question", [*GUESTS_OWN, *SOMEBODY_ELSE, "Order", "Why?", "", "Name of your partner"])
def test_a_name_is_read_whatever_its_case_and_accents(question: str) -> None:
    """As a form's author types it."""
    for other in (question.upper(), f"  {question}  ", question.replace(" ", "_")):
        assert asks_for_phone(other) == asks_for_phone(question)
        assert is_about_somebody_else(other) == is_about_somebody_else(question)
        assert likeness(other) is likeness(question)
    assert likeness(question) in Likeness


# Row 1.7: what was once read as the guest's number stays so.


@pytest.fixture
def stage(settings: Callable[..., Settings], store: Store) -> Stage:
    """A worker with the tutorial's rules, and a guest who answered a question of type phone."""
    made = Stage(settings(environ={"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    ask(made, "Reach me at")
    answer(made, ("Reach me at", OWN), ("Order", THIRD))
    made.run()
    return made


def ask(stage: Stage, *questions: str) -> None:
    """Change the event type's questions of type phone."""
    stage.calendly.types[TYPE] = EventType(TYPE, "Phone consultation", frozenset(questions))


def answer(stage: Stage, *answers: tuple[str, str]) -> None:
    """Change what the guest answered, as Calendly shows it."""
    event = an_event()
    typed = tuple(Answer(*pair) for pair in answers)
    stage.calendly.put(event, an_invitee(event, text_reminder_number="", answers=typed))


def reminders(stage: Stage) -> dict[str, tuple[State, str]]:
    """The reminders' states and numbers."""
    found = [message for message in stage.store.messages() if message.rule.startswith("reminder")]
    return {message.rule: (message.state, message.to) for message in found}


def read_again(stage: Stage) -> None:
    """Let the event be read again, and its type, as happens within a day."""
    stage.now += timedelta(hours=25)
    stage.run()


WAITING = (State.SCHEDULED, OWN)


@pytest.mark.parametrize(
    ("questions", "answers"),
    [
        pytest.param(("Best number",), [("Reach me at", OWN)], id="renamed at the event type"),
        pytest.param(("Best number",), [("Best number", OWN)], id="renamed in the answers, too"),
        pytest.param((), [("Reach me at", OWN)], id="retyped"),
        pytest.param((), [("Order", THIRD), ("Reach me at", OWN)], id="removed, and the answers in another order"),
        pytest.param(("Order",), [("Reach me at", OWN), ("Order", THIRD)], id="another one of type phone"),
        pytest.param(("Your mobile",), [("Reach me at", OWN), ("Your mobile", THIRD)], id="a better one beside it"),
        pytest.param(("Parent's phone",), [("Parent's phone", OWN)], id="renamed to somebody else's"),
    ],
)
def test_an_unchanged_answer_stays_the_guests_number(
    stage: Stage, questions: tuple[str, ...], answers: list[tuple[str, str]]
) -> None:
    """Whatever the host makes of the question afterwards."""
    before = reminders(stage)
    ask(stage, *questions)
    answer(stage, *answers)
    read_again(stage)

    assert before == {"reminder-24h": WAITING, "reminder-1h": WAITING}
    assert reminders(stage)["reminder-1h"] == WAITING
    assert {sent.to for sent in stage.gateway.texts} == {OWN}


@pytest.mark.parametrize(
    ("questions", "answers", "expected"),
    [
        pytest.param(("Reach me at",), [("Reach me at", THIRD)], (State.SCHEDULED, THIRD), id="to another number"),
        pytest.param(("Phone",), [("Phone", THIRD)], (State.SCHEDULED, THIRD), id="and the question"),
        pytest.param(("Phone",), [("Reach me at", "none")], (State.SKIPPED, ""), id="to none"),
        pytest.param((), [("Order", THIRD)], (State.SKIPPED, ""), id="gone"),
    ],
)
def test_a_changed_answer_is_read_anew(
    stage: Stage, questions: tuple[str, ...], answers: list[tuple[str, str]], expected: tuple[State, str]
) -> None:
    """By the questions as they are now."""
    ask(stage, *questions)
    answer(stage, *answers)
    read_again(stage)

    assert reminders(stage)["reminder-1h"] == expected


def test_a_moved_booking_keeps_the_answer(stage: Stage) -> None:
    """Its new half is a booking of its own, with the same answers; the question was renamed in between."""
    old_event, event = an_event(), an_event("e2", start=NOW + 5 * DAY)
    typed = (Answer("Reach me at", OWN),)
    new = an_invitee(
        event, text_reminder_number="", answers=typed, old_invitee=f"{old_event.uri}/invitees/i1", created_at=NOW
    )
    old = an_invitee(
        old_event, text_reminder_number="", answers=typed, status="canceled", rescheduled=True, new_invitee=new.uri,
        canceled_at=NOW,
    )  # fmt: skip
    stage.calendly.put(replace(old_event, status="canceled", active=0), old)
    stage.calendly.put(event, new)
    ask(stage)
    read_again(stage)

    waiting = [message for message in stage.store.messages() if message.booking == new.uri]
    assert {message.to for message in waiting if message.state is not State.SKIPPED} == {OWN}


def test_a_setting_still_decides(stage: Stage, settings: Callable[..., Settings]) -> None:
    """What a booking remembers holds for the source that it was read by; the operator may name another."""
    stage.settings = settings(
        '[phones]\nsources = ["question:Order"]', {"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}
    )
    stage.now += MINUTE
    stage.run()

    assert reminders(stage)["reminder-1h"] == (State.SCHEDULED, THIRD)


def test_a_number_that_a_setting_makes_readable_is_remembered_at_once(
    store: Store, settings: Callable[..., Settings]
) -> None:
    """Before the event is read again."""
    stage = Stage(settings(environ={"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    ask(stage, "Reach me at")
    answer(stage, ("Reach me at", "312 555 0142"))
    stage.run()
    before = reminders(stage)["reminder-1h"]
    stage.settings = settings('country = "US"', {"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""})
    stage.now += MINUTE
    stage.run()
    [kept] = stage.store.bookings(events=[an_event().uri]).values()

    assert before[0] is State.SKIPPED
    assert reminders(stage)["reminder-1h"] == WAITING
    assert (kept.phone_source, kept.phone_question) == ("question:*", "Reach me at")


def test_what_is_remembered_needs_no_event_type(stage: Stage) -> None:
    """Nor does it hang on whether it can be read."""
    stage.calendly.calls.clear()
    stage.calendly.fail("event_type", NotThere("gone", status=404), times=9)
    read_again(stage)

    assert reminders(stage)["reminder-1h"] == WAITING
    assert [call for call in stage.calendly.calls if call[0] == "event_type"] == []


def test_nothing_is_remembered_of_a_number_that_is_no_answer(store: Store, settings: Callable[..., Settings]) -> None:
    """Nor of an erased person."""
    stage = Stage(settings(environ={"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    event = an_event()
    stage.calendly.put(event, an_invitee(event))
    stage.run()
    [kept] = store.bookings(events=[event.uri]).values()

    assert (kept.phone_source, kept.phone_question) == ("", "")
    remembered = booking(("Phone", OWN), phone_source="question:*", phone_question="Phone")
    assert needs_questions(remembered, Policy()) is False
    assert needs_questions(booking(("Phone", OWN)), Policy()) is True


# Row 1.8: an answer that looks like a number, though no source reads it.


@pytest.mark.parametrize(
    ("question", "text", "country", "is_named"),
    [
        ("Mobile number", OWN, "", True),
        ("Mobile number", "312 555 0142", "", True),
        ("Mobile number", "it is 312-555-0142", "US", True),
        ("Reach me at", OWN, "", True),
        ("Reach me at", "(+1) 312 555 0142", "", True),
        ("Mobile number", "yes", "", False),
        ("Order", "3125550142", "US", False),
        ("Why?", "+1 more time", "", False),
    ],
)
def test_an_unread_answer_that_looks_like_a_number_is_named(
    question: str, text: str, country: str, is_named: bool
) -> None:
    """With the setting that reads it; never with the number."""
    made = booking(("Why?", "A knee"), (question, text))
    why = guest_number(made, Policy(country=country), frozenset())

    assert isinstance(why, NoRecipient)
    assert why.reason is Reason.NO_NUMBER
    assert (f'add "question:{question}" to phones.sources' in why.detail) is is_named
    assert not any(character.isdecimal() for character in why.detail)


def test_the_hint_stands_beside_another_reason() -> None:
    """A landline for reminders, and the mobile in a plain question."""
    made = booking(("Mobile number", OWN))
    made = replace(made, invitee=replace(made.invitee, text_reminder_number="+442079460958"))
    why = guest_number(made, Policy(), frozenset())

    assert isinstance(why, NoRecipient)
    assert why.reason is Reason.LANDLINE
    assert "question:Mobile number" in why.detail


def test_a_name_with_a_number_in_it_is_masked() -> None:
    """Hosts write their own number into questions."""
    made = booking(("Call +1 312 555 0199, or leave your phone", OWN))
    why = guest_number(made, Policy(), frozenset())

    assert isinstance(why, NoRecipient)
    assert "leave your phone" in why.detail
    assert not any(character.isdecimal() for character in why.detail)


@pytest.mark.usefixtures("as_worded")
def test_a_skipped_message_says_it(store: Store, settings: Callable[..., Settings]) -> None:
    """In its detail, so that `explain` does."""
    stage = Stage(settings(environ={"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    ask(stage)
    answer(stage, ("Mobile number", OWN))
    stage.run()
    found = [message for message in store.messages() if message.reason is Reason.NO_NUMBER]
    details = {message.detail for message in found if message.rule != "host"}

    assert len(details) == 1
    assert 'add "question:Mobile number" to phones.sources' in details.pop()


# Edges.


def test_unclear_questions_come_before_another_reason() -> None:
    """They are nearer to a text than a landline for reminders."""
    made = booking(("Phone 1", OWN), ("Phone 2", THEIRS))
    made = replace(made, invitee=replace(made.invitee, text_reminder_number="+442079460958"))

    assert found_in(made, None) == "unclear_question"


@pytest.mark.parametrize(
    ("question", "text", "known", "expected"),
    [
        ("Phone", "1234567", frozenset({"Phone"}), "needs_country"),
        ("Phone", "n/a", frozenset({"Phone"}), "invalid_number"),
        ("Phone", "12", None, "no_number"),
        ("Phone", "123", None, "needs_country"),
        ("Phone", " ", frozenset({"Phone"}), "no_number"),
    ],
)
def test_what_a_source_reads_is_not_named_as_unread(
    question: str, text: str, known: frozenset[str] | None, expected: str
) -> None:
    """Its reason says enough."""
    why = guest_number(booking((question, text)), Policy(), known)

    assert isinstance(why, NoRecipient)
    assert why.reason == expected
    assert "phones.sources" not in why.detail


@pytest.mark.parametrize(("answer_text", "expected"), [("1234567", True), ("123456", False)])
def test_an_event_type_is_read_for_what_may_be_a_number(answer_text: str, expected: bool) -> None:
    """Seven digits may be one."""
    assert needs_questions(booking(("Reach me at", answer_text)), Policy()) is expected
    assert needs_questions(booking(("Reach me at", OWN)), Policy(phone_sources=("question:Other",))) is False
    why = guest_number(booking(("Mobile", answer_text)), Policy(), frozenset())
    assert isinstance(why, NoRecipient)
    assert ("phones.sources" in why.detail) is expected


@pytest.mark.parametrize(("total", "expected"), [(1, THIRD), (2, "no_number")])
def test_the_calls_number_in_a_group_is_nobodys(total: int, expected: str) -> None:
    """It is the event's, and one guest's."""
    made = booking()
    event = replace(made.event, location=Location("outbound_call", THIRD), total=total)

    assert found_in(replace(made, event=event), None) == expected


def test_many_and_long_questions_are_named_in_short() -> None:
    """A detail is a line, not a page."""
    names = [f"Phone {letter} {'x' * 80}" for letter in "ABCDEFG"]
    why = guest_number(booking(*[(name, f"+1312555014{n}") for n, name in enumerate(names)]), Policy(), None)

    assert isinstance(why, NoRecipient)
    assert why.detail.count('"') == 10
    assert " and 2 more hold different numbers" in why.detail
    assert f'"Phone A {"x" * 51}…"' in why.detail
    five = guest_number(booking(*[(f"Phone {n}", f"+1312555014{n}") for n in range(5)]), Policy(), None)
    assert isinstance(five, NoRecipient)
    assert "more" not in five.detail


def test_a_hint_names_the_guests_own_before_others() -> None:
    """Both are not read; one of them should be."""
    made = booking(("Emergency phone", THEIRS), ("Mobile number", OWN))
    why = guest_number(made, Policy(), frozenset({"Emergency phone"}))

    assert isinstance(why, NoRecipient)
    assert 'add "question:Mobile number" to phones.sources' in why.detail
    assert "Emergency" not in why.detail
    assert "somebody else" not in why.detail


# What `check` says of the event types.


@dataclass
class Facts:
    """A checklist whose lines are kept."""

    told: list[str]

    def ok(self, fact: str) -> None:
        """Keep what is good."""
        self.told.append(f"ok {fact}")

    def warn(self, fact: str, remedy: str) -> None:
        """Keep what should be looked at."""
        self.told.append(f"warn {fact}. {remedy}")


@pytest.mark.parametrize(
    ("typed", "plain", "sources", "warned"),
    [
        ((), ("Mobile number",), "", 1),
        (("Emergency contact phone",), (), "", 1),
        (("Emergency contact phone",), ("Mobile number",), "", 2),
        (("Emergency contact phone", "Your mobile"), ("Work phone",), "", 0),
        (("Emergency contact phone",), ("Mobile number",), '"question:mobile number"', 0),
        ((), ("Why?",), "", 0),
    ],
)
def test_check_warns_where_no_question_for_the_guests_own_number_is_read(
    settings: Callable[..., Settings], typed: tuple[str, ...], plain: tuple[str, ...], sources: str, warned: int
) -> None:
    """Where another question is read, a line says so, and that is enough."""
    told: list[str] = []
    more = f", {sources}" if sources else ""
    made = settings(f'[phones]\nsources = ["text_reminder_number", "question:*"{more}]')
    kind = EventType(TYPE, "Consultation", frozenset(typed), frozenset(plain))

    check_accounts._say_questions(Facts(told), made, [kind])  # type: ignore[arg-type]

    assert sum(line.startswith("warn ") for line in told) == warned
    assert all("phones.sources" in line for line in told)


def test_check_names_questions_that_are_not_read(settings: Callable[..., Settings]) -> None:
    """Of another type, or about somebody else; with the setting that reads them, and not those that it reads."""
    told: list[str] = []
    phone = frozenset({"Your mobile", "Emergency contact phone"})
    kinds = [
        EventType(TYPE, "Consultation", phone, frozenset({"Why?", "Mobile number", "Parent's name", "WhatsApp"})),
        EventType(f"{TYPE}2", "Call", frozenset({"Reach me at"})),
    ]
    made = settings('[phones]\nsources = ["question:*", "question:whatsapp"]')

    check_accounts._say_questions(Facts(told), made, kinds)  # type: ignore[arg-type]

    assert len(told) == 2
    assert all(line.startswith("ok ") for line in told)  # the guest's own question is read
    assert all('event type "Consultation"' in line for line in told)
    assert '"Emergency contact phone" is not read, as it seems to be about somebody else' in told[0]
    assert '"Mobile number" is not read, as it is not of the type phone number' in told[1]
    assert 'add "question:Mobile number" to phones.sources' in told[1]
