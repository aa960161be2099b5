"""Moments and distances as languages write them: zones, changes of the clocks, hour styles."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.date_samples import ROWS, ZONES
from syncer import zones
from syncer.dates import clock, day, differs, in_words, plain, when

LANGUAGES = sorted({row[1] for row in ROWS} | {"ar-EG", "he", "uk", "mn", "kk", "zh-HK", "sq"})
MOMENTS = st.integers(1_577_836_800, 2_114_380_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""From 2020 to 2036."""


@pytest.mark.parametrize(
    ("utc", "language", "zone", "name_zone", "text"), ROWS, ids=[f"{row[0]} {row[1] or '-'} {row[2]}" for row in ROWS]
)
def test_when(utc: str, language: str, zone: str, name_zone: bool, text: str) -> None:
    """A moment is written in the reader's zone, language and hour style."""
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)

    assert text == when(moment, language=language, zone=zone, name_zone=name_zone)


@given(
    moment=MOMENTS,
    language=st.sampled_from(LANGUAGES),
    zone=st.sampled_from(ZONES),
)
def test_only_plain_characters(moment: datetime, language: str, zone: str) -> None:
    """No language puts a no-break blank, a bidi mark or another invisible character into a text."""
    text = when(moment, language=language, zone=zone, name_zone=True)

    assert {" "} >= {one for one in text if unicodedata.category(one)[0] in "CZ"}
    assert str(moment.astimezone(ZoneInfo(zone)).year) in text
    assert text.isascii() or language not in {"en", "en-GB", "en-AU", "en-IN", "en-IE"}


@given(MOMENTS)
def test_day_and_clock_are_the_parts(moment: datetime) -> None:
    """Date and time written alone are those of the whole."""
    whole = when(moment, language="en", zone="America/Chicago", name_zone=True)
    date = day(moment, language="en", zone="America/Chicago")
    time = clock(moment, language="en", zone="America/Chicago", name_zone=True)

    assert whole == f"{date}, {time}"


@pytest.mark.parametrize(
    ("one", "other", "utc", "expected"),
    [
        pytest.param("Europe/Berlin", "Europe/Berlin", "2026-11-25 16:00", False, id="the same zone"),
        pytest.param("Europe/Berlin", "Europe/Paris", "2026-11-25 16:00", False, id="another name, the same clock"),
        pytest.param("Europe/Berlin", "Europe/Lisbon", "2026-11-25 16:00", True, id="an hour apart"),
        pytest.param("America/New_York", "Europe/Berlin", "2027-03-20 16:00", True, id="between two changes"),
        pytest.param("America/Phoenix", "America/Denver", "2027-01-20 16:00", False, id="the same in winter"),
        pytest.param("America/Phoenix", "America/Denver", "2027-07-20 16:00", True, id="not in summer"),
    ],
)
def test_differs(one: str, other: str, utc: str, expected: bool) -> None:
    """Two zones differ if their clocks do at that moment."""
    assert expected == differs(one, other, datetime.fromisoformat(utc).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("offset", "language", "text"),
    [
        (timedelta(hours=24), "en", "24 hours"),
        (timedelta(hours=1), "en", "1 hour"),
        (timedelta(minutes=30), "en", "30 minutes"),
        (timedelta(minutes=1), "en", "1 minute"),
        (timedelta(minutes=90), "en", "90 minutes"),
        (timedelta(hours=36), "en", "36 hours"),
        (timedelta(hours=47), "en", "47 hours"),
        (timedelta(hours=48), "en", "2 days"),
        (timedelta(hours=50), "en", "50 hours"),
        (timedelta(days=7), "en", "7 days"),
        (timedelta(days=30), "en", "30 days"),
        (timedelta(days=60), "en", "60 days"),
        (timedelta(), "en", ""),
        (timedelta(hours=24), "zh-TW", "24 小時"),
        (timedelta(hours=1), "zh-TW", "1 小時"),
        (timedelta(days=2), "zh-TW", "2 天"),
        (timedelta(hours=24), "zh-CN", "24小时"),
        (timedelta(hours=1), "fr", "1 heure"),
        (timedelta(hours=24), "fr", "24 heures"),
        (timedelta(hours=24), "de", "24 Stunden"),
        (timedelta(hours=24), "ja", "24 時間"),
        (timedelta(hours=1), "ru", "1 час"),
        (timedelta(hours=24), "ru", "24 часа"),
        (timedelta(hours=36), "pl", "36 godzin"),
        (timedelta(days=2), "ar", "يومان"),
        (timedelta(hours=24), "xx", "24 hours"),
    ],
)
def test_in_words(offset: timedelta, language: str, text: str) -> None:
    """A distance is written in one unit, with the language's own plural and plain blanks."""
    assert text == in_words(offset, language)


def test_no_guess_about_naive_times() -> None:
    """A naive datetime is refused: whose time it is would be a guess."""
    with pytest.raises(ValueError, match="naive"):
        when(datetime.fromisoformat("2026-11-25T16:00"), language="en", zone="UTC", name_zone=False)


def test_plain_parts_persian_words() -> None:
    """What shows nothing goes; the joiner that parts Persian words becomes a blank."""
    assert plain("\u202a 10:00\u202fAM \u200e\u00a0 پنج\u200cشنبه\r\n") == "10:00 AM پنج شنبه"


THEIRS = {
    "MEZ MESZ WEZ WESZ OEZ OESZ": (1, 2, 0, 1, 2, 3),
    "HNHA HEHA HNAK HEAK HNP HAP HEP": (-10, -9, -9, -8, -8, -7, -7),
    "HNR HAR HER HNC HAC HEC HNE HAE HEE": (-7, -6, -6, -6, -5, -5, -5, -4, -4),
    "HNA HEA HNT HNTN HAT HETN TU": (-4, -3, -3.5, -3.5, -2.5, -2.5, 0),
    "HAST HADT BRT AMT ACT ART COT AZOT AZOST": (-10, -9, -3, -4, -5, -3, -5, -1, 0),
    "GST SGT HKT MYT CHAST CHADT LHST LHDT": (4, 8, 8, 8, 12.75, 13.75, 10.5, 11),
}
"""Letters that the zones' data do not have, or do not have any more."""


def meanings() -> dict[str, set[timedelta]]:
    """Collect what letters stand for: by the zones' own data of years long past change, and by the table above."""
    found = {
        letters: {timedelta(hours=hours)}
        for row, offsets in THEIRS.items()
        for letters, hours in zip(row.split(), offsets, strict=True)
    }
    for name in available_timezones() - {"localtime", "Factory"}:
        for month in range(1, 13):
            local = datetime(2019, month, 15, tzinfo=UTC).astimezone(ZoneInfo(name))
            found.setdefault(local.tzname() or "", set()).add(local.utcoffset() or timedelta())
    return found


@pytest.mark.parametrize(
    "language",
    "en en-GB en-CA en-AU en-NZ en-IE en-IN en-ZA de de-AT de-CH es es-MX es-US es-AR es-CO"
    " fr fr-CA fr-CH pt pt-PT zh-TW zh-CN zh-HK ja".split(),
)
def test_no_letters_contradict_the_clock(language: str) -> None:
    """In any zone and month, what names the zone says the distance from GMT that it has then."""
    meant = meanings()
    for name in sorted(available_timezones() - {"localtime", "Factory"}):
        seen = set()
        for month in range(1, 13):
            moment = datetime(2027, month, 15, 12, tzinfo=UTC)
            offset = moment.astimezone(ZoneInfo(name)).utcoffset() or timedelta()
            if offset in seen:
                continue
            seen.add(offset)
            written = clock(moment, language=language, zone=name, name_zone=True).rpartition(" ")[2]
            hours, _, minutes = written.removeprefix("GMT").partition(":")
            if written.startswith("GMT") and hours:
                told = timedelta(hours=int(hours), minutes=int(f"{hours[0]}{minutes or 0}"))
                assert told == offset, (name, written)
            else:
                assert offset in meant[written], (name, written)


@pytest.mark.parametrize(
    ("name", "like", "text"),
    [
        ("America/Vancouver", "Etc/GMT+7", "9:00 AM GMT-7"),
        ("America/Edmonton", "Etc/GMT+6", "10:00 AM GMT-6"),
        ("America/Winnipeg", "Etc/GMT+5", "11:00 AM GMT-5"),
        ("America/Chicago", "Etc/GMT+6", "10:00 AM CST"),
        ("Europe/Lisbon", "Etc/GMT-1", "5:00 PM GMT+1"),
    ],
)
def test_a_zone_with_another_standard_time(monkeypatch: pytest.MonkeyPatch, name: str, like: str, text: str) -> None:
    """Babel's letters are older than the zones' data: those of a time that was given up are not written."""
    with resources.files("tzdata.zoneinfo").joinpath(like).open("rb") as file:
        moved = ZoneInfo.from_file(file, key=name)
    monkeypatch.setattr(zones, "zone", lambda _: moved)

    assert clock(datetime(2027, 1, 20, 16, tzinfo=UTC), language="en", zone=name, name_zone=True) == text
