"""A rule file in five languages, in the sandbox: each text whole, as its reader sees it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from support.end_to_end import CHICAGO, Journey, a_journey
from syncer.sandbox.world import APPROVED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEETING = datetime(2026, 11, 26, 10, 0, tzinfo=CHICAGO)

TEXTS = {
    "en": ("Hello {{name}}, confirmed: {{time}}", "Hello {{name}}, in {{advance}}: {{time}}", "Thank you, {{name}}"),
    "zh-TW": ("{{name}}您好，已確認：{{time}}", "{{name}}您好，{{advance}}後開始：{{time}}", "{{name}}，謝謝您"),
    "ja": ("{{name}}様 確認しました：{{time}}", "{{name}}様 {{advance}}後です：{{time}}", "{{name}}様 ありがとう"),
    "de": ("Hallo {{name}}, bestätigt: {{time}}", "Hallo {{name}}, in {{advance}}: {{time}}", "Danke, {{name}}"),
    "fr": ("Bonjour {name}, confirmé : {time}", "Bonjour {name}, dans {advance} : {time}", "Merci, {name}"),
}
"""Confirmation, reminder and follow-up by language; the French ones with single braces."""

PEOPLE = [
    # name, number, zone, event type
    ("Ines Okafor", "+13125550142", "America/Chicago", "Phone consultation"),
    ("王小明", "+886912345678", "Asia/Taipei", "Phone consultation"),
    ("山田 太郎", "+819012345678", "Asia/Tokyo", "Phone consultation"),
    ("Jürgen Groß", "+4915123456789", "Europe/Berlin", "Phone consultation"),
    ("Zoé Lefèvre", "+33612345678", "Europe/Paris", "Phone consultation"),
    ("Kim Brandt", "+13125550143", None, "Erstgespräch"),  # by event type, in the default zone
]

TEXT_OF = {
    "confirmation": [
        "Hello Ines Okafor, confirmed: Thu, Nov 26, 10:00 AM",
        "王小明您好，已確認：11月27日 週五 午夜12:00 GMT+8",
        "山田 太郎様 確認しました：11月27日(金) 1:00 JST",
        "Hallo Jürgen Groß, bestätigt: Do., 26. Nov., 17:00 MEZ",
        "Bonjour Zoé Lefèvre, confirmé : jeu. 26 nov., 17:00 GMT+1",
        "Hallo Kim Brandt, bestätigt: Do., 26. Nov., 10:00 GMT-6",
    ],
    "reminder-24h": [
        "Hello Ines Okafor, in 24 hours: Thu, Nov 26, 10:00 AM",
        "王小明您好，24 小時後開始：11月27日 週五 午夜12:00 GMT+8",
        "山田 太郎様 24 時間後です：11月27日(金) 1:00 JST",
        "Hallo Jürgen Groß, in 24 Stunden: Do., 26. Nov., 17:00 MEZ",
        "Bonjour Zoé Lefèvre, dans 24 heures : jeu. 26 nov., 17:00 GMT+1",
        "Hallo Kim Brandt, in 24 Stunden: Do., 26. Nov., 10:00 GMT-6",
    ],
    "reminder-1h": [
        "Hello Ines Okafor, in 1 hour: Thu, Nov 26, 10:00 AM",
        "王小明您好，1 小時後開始：11月27日 週五 午夜12:00 GMT+8",
        "山田 太郎様 1 時間後です：11月27日(金) 1:00 JST",
        "Hallo Jürgen Groß, in 1 Stunde: Do., 26. Nov., 17:00 MEZ",
        "Bonjour Zoé Lefèvre, dans 1 heure : jeu. 26 nov., 17:00 GMT+1",
        "Hallo Kim Brandt, in 1 Stunde: Do., 26. Nov., 10:00 GMT-6",
    ],
    "follow-up": [
        "Thank you, Ines Okafor",
        "王小明，謝謝您",
        "山田 太郎様 ありがとう",
        "Danke, Jürgen Groß",
        "Merci, Zoé Lefèvre",
        "Danke, Kim Brandt",
    ],
}
HOST = [
    f"New: {name}, {when}"
    for name, when in (
        ("Ines Okafor", "jeu. 26 nov., 10:00"),
        ("王小明", "jeu. 26 nov., 10:00"),
        ("山田 太郎", "jeu. 26 nov., 10:00"),
        ("Jürgen Groß", "jeu. 26 nov., 10:00"),
        ("Zoé Lefèvre", "jeu. 26 nov., 10:00"),
        ("Kim Brandt", "jeu. 26 nov., 10:00"),
    )
]
"""The host reads French, and has one template for any language."""


def rules(journey: Journey) -> str:
    """Make the templates, and the rule file that names them."""
    ids = {
        (language, kind): journey.world.add_template(content, sign_id=None, country_codes="", status=APPROVED)
        for language, contents in TEXTS.items()
        for kind, content in enumerate(contents)
    }
    host = journey.world.add_template("New: {{name}}, {{time}}", sign_id=None, country_codes="", status=APPROVED)

    def table(kind: int) -> str:
        return "{ " + ", ".join(f'"{language}" = "{ids[language, kind]}"' for language in TEXTS) + " }"

    return f"""
timezone = "America/Chicago"
[languages]
by_event_type = {{ "Erstgespräch" = "de" }}
by_country = {{ TW = "zh-TW", JP = "ja", DE = "de-AT", FR = "fr" }}
[hosts."mara@northpier.example"]
phone = "+13125550177"
language = "fr"
[[rule]]
name = "confirmation"
on = "booked"
template = {table(0)}
[[rule]]
name = "reminder-24h"
on = "before_start"
offset = "24h"
template = {table(1)}
[[rule]]
name = "reminder-1h"
on = "before_start"
offset = "1h"
template = {table(1)}
[[rule]]
name = "follow-up"
on = "after_end"
offset = "30m"
template = {table(2)}
[[rule]]
name = "host"
on = "booked"
to = "host"
template = "{host}"
"""


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    """The sandbox, with the templates of five languages."""
    with a_journey(tmp_path) as one:
        one.toml = rules(one)
        one.look()
        one.later(minutes=1)
        yield one


def test_five_languages(journey: Journey) -> None:
    """Chosen by event type, by the number's country (a country's variant takes its language's text), by default."""
    for name, number, zone, kind in PEOPLE:
        journey.world.book(start=MEETING, name=name, phone=number, timezone=zone, event_type=kind)
    numbers = [number for _, number, _, _ in PEOPLE]
    sent = {"confirmation": journey.look()}
    for rule, moment in (
        ("reminder-24h", MEETING - timedelta(hours=24)),
        ("reminder-1h", MEETING - timedelta(hours=1)),
        ("follow-up", MEETING + timedelta(hours=1)),
    ):
        journey.at(moment)
        sent[rule] = journey.look()
    hosts = sorted(body for number, body in sent["confirmation"] if number == "+13125550177")

    for rule, texts in TEXT_OF.items():
        assert {number: body for number, body in sent[rule] if number in numbers} == dict(
            zip(numbers, texts, strict=True)
        )
        assert len([number for number, _ in sent[rule] if number in numbers]) == len(numbers)
    assert hosts == sorted(HOST)


def test_the_clocks_change_between_reminder_and_meeting(journey: Journey) -> None:
    """24 hours before is 24 hours before: the reminder leaves at another hour of the day than the meeting has."""
    berlin = ZoneInfo("Europe/Berlin")
    meeting = datetime(2027, 3, 28, 10, 0, tzinfo=berlin)
    journey.world.book(start=meeting, name="Jürgen Groß", phone="+4915123456789", timezone="Europe/Berlin")
    journey.look()
    # In time, not by the clock on the wall: 09:00 on Saturday.
    due = datetime(2027, 3, 27, 9, 0, tzinfo=berlin)
    journey.at(due - timedelta(seconds=1))
    early = journey.look()
    journey.at(due)

    assert early == []
    assert journey.look() == [
        ("+4915123456789", "Hallo Jürgen Groß, in 24 Stunden: So., 28. März, 10:00 MESZ"),
    ]
