"""Moments and distances as languages write them: zones, changes of the clocks, hour styles."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer import zones
from syncer.dates import clock, day, differs, in_words, plain, when

ROWS = [
    ("2026-11-25 16:00", "en", "America/Chicago", True, "Wed, Nov 25, 2026, 10:00 AM CST"),
    ("2026-07-25 15:00", "en", "America/Chicago", True, "Sat, Jul 25, 2026, 10:00 AM CDT"),
    # The UTC date is not the reader's date: before, at and after their midnight, and noon.
    ("2026-11-26 05:30", "en", "America/Chicago", False, "Wed, Nov 25, 2026, 11:30 PM"),
    ("2026-11-26 06:00", "en", "America/Chicago", False, "Thu, Nov 26, 2026, 12:00 AM"),
    ("2026-11-25 18:00", "en", "America/Chicago", False, "Wed, Nov 25, 2026, 12:00 PM"),
    ("2027-01-01 04:30", "en", "America/New_York", False, "Thu, Dec 31, 2026, 11:30 PM"),
    # New York: 02:00 to 03:00 is skipped, 01:30 is shown twice.
    ("2027-03-14 06:59", "en", "America/New_York", True, "Sun, Mar 14, 2027, 1:59 AM EST"),
    ("2027-03-14 07:00", "en", "America/New_York", True, "Sun, Mar 14, 2027, 3:00 AM EDT"),
    ("2027-11-07 05:30", "en", "America/New_York", True, "Sun, Nov 7, 2027, 1:30 AM EDT"),
    ("2027-11-07 06:30", "en", "America/New_York", True, "Sun, Nov 7, 2027, 1:30 AM EST"),
    ("2026-11-25 16:00", "en-GB", "Europe/London", True, "Wed, 25 Nov 2026, 16:00 GMT"),
    ("2027-07-01 09:00", "en-GB", "Europe/London", True, "Thu, 1 Jul 2027, 10:00 BST"),
    # Dublin's winter is written as negative summer time in the zone's data.
    ("2027-01-05 12:00", "en-IE", "Europe/Dublin", True, "Tue 5 Jan 2027, 12:00 GMT"),
    ("2027-07-05 12:00", "en-IE", "Europe/Dublin", True, "Mon 5 Jul 2027, 13:00 IST"),
    ("2027-07-05 12:00", "en", "Europe/Dublin", True, "Mon, Jul 5, 2027, 1:00 PM GMT+1"),
    ("2027-03-28 00:59", "de", "Europe/Berlin", True, "So., 28. März 2027, 01:59 MEZ"),
    ("2027-03-28 01:00", "de", "Europe/Berlin", True, "So., 28. März 2027, 03:00 MESZ"),
    ("2027-10-31 00:30", "de", "Europe/Berlin", True, "So., 31. Okt. 2027, 02:30 MESZ"),
    ("2027-10-31 01:30", "de", "Europe/Berlin", True, "So., 31. Okt. 2027, 02:30 MEZ"),
    # "CST" would be China's there and the Midwest's elsewhere.
    ("2026-11-26 02:00", "zh-TW", "Asia/Taipei", True, "2026年11月26日 週四 上午10:00 GMT+8"),
    ("2026-11-25 16:00", "zh-TW", "Asia/Taipei", False, "2026年11月26日 週四 午夜12:00"),
    ("2026-11-26 02:00", "zh-CN", "Asia/Shanghai", True, "2026年11月26日周四 10:00 GMT+8"),
    ("2026-11-26 02:00", "en", "Asia/Taipei", True, "Thu, Nov 26, 2026, 10:00 AM GMT+8"),
    ("2026-11-26 02:00", "ja", "Asia/Tokyo", True, "2026年11月26日(木) 11:00 JST"),
    ("2026-11-26 02:00", "ko", "Asia/Seoul", True, "2026년 11월 26일 (목) AM 11:00 GMT+9"),
    # Half and quarter hours.
    ("2027-06-01 04:15", "en", "Asia/Kathmandu", True, "Tue, Jun 1, 2027, 10:00 AM GMT+5:45"),
    ("2026-11-25 16:00", "en-IN", "Asia/Kolkata", True, "Wed, 25 Nov, 2026, 9:30 pm GMT+5:30"),
    ("2026-11-25 16:00", "en", "America/St_Johns", True, "Wed, Nov 25, 2026, 12:30 PM GMT-3:30"),
    ("2026-11-25 16:00", "en", "Pacific/Chatham", True, "Thu, Nov 26, 2026, 5:45 AM GMT+13:45"),
    # Lord Howe moves its clocks by half an hour: 01:45 is shown twice.
    ("2027-04-03 14:45", "en-AU", "Australia/Lord_Howe", True, "Sun, 4 Apr 2027, 1:45 am LHDT"),
    ("2027-04-03 15:15", "en-AU", "Australia/Lord_Howe", True, "Sun, 4 Apr 2027, 1:45 am LHST"),
    ("2026-11-25 16:00", "en-AU", "Australia/Sydney", True, "Thu, 26 Nov 2026, 3:00 am AEDT"),
    ("2027-07-01 16:00", "en-AU", "Australia/Sydney", True, "Fri, 2 July 2027, 2:00 am AEST"),
    # Casablanca leaves its summer time for Ramadan; Troll moves by two hours; Apia skipped a whole day.
    ("2026-02-15 01:30", "fr", "Africa/Casablanca", True, "dim. 15 févr. 2026, 02:30 GMT+1"),
    ("2026-02-15 02:30", "fr", "Africa/Casablanca", True, "dim. 15 févr. 2026, 02:30 GMT"),
    ("2027-03-28 00:59", "en", "Antarctica/Troll", True, "Sun, Mar 28, 2027, 12:59 AM GMT"),
    ("2027-03-28 01:00", "en", "Antarctica/Troll", True, "Sun, Mar 28, 2027, 3:00 AM GMT+2"),
    ("2011-12-30 09:59", "en", "Pacific/Apia", True, "Thu, Dec 29, 2011, 11:59 PM GMT-10"),
    ("2011-12-30 10:00", "en", "Pacific/Apia", True, "Sat, Dec 31, 2011, 12:00 AM GMT+14"),
    ("2027-11-07 04:30", "pt-BR", "America/Sao_Paulo", True, "dom., 7 de nov. de 2027 01:30 BRT"),
    ("2026-11-25 16:00", "es", "America/Mexico_City", True, "mié, 25 nov 2026, 10:00 GMT-6"),
    ("2026-11-25 16:00", "fr", "Europe/Paris", True, "mer. 25 nov. 2026, 17:00 GMT+1"),
    # Babel's letters there are those of summer time elsewhere.
    ("2026-11-25 16:00", "fr", "Europe/Lisbon", True, "mer. 25 nov. 2026, 16:00 GMT"),
    ("2027-07-01 16:00", "fr", "Europe/Lisbon", True, "jeu. 1 juil. 2027, 17:00 GMT+1"),
    ("2026-11-25 16:00", "fr", "Europe/Athens", True, "mer. 25 nov. 2026, 18:00 GMT+2"),
    ("2027-07-01 16:00", "fr", "Africa/Cairo", True, "jeu. 1 juil. 2027, 19:00 GMT+3"),
    ("2026-11-25 16:00", "pt-PT", "Europe/Lisbon", True, "quarta, 25/11/2026, 16:00 WET"),
    ("2026-11-25 16:00", "fr-CA", "America/Toronto", True, "mer. 25 nov. 2026, 11 h 00 HNE"),
    ("2026-11-25 16:00", "sv", "Pacific/Honolulu", True, "ons 25 nov. 2026 06:00 GMT-10"),
    ("2026-11-25 16:00", "co", "Europe/Paris", False, "mer. 25 nuv. 2026 à 17:00"),
    ("2026-11-25 16:00", "it", "Europe/Rome", False, "mer 25 nov 2026, 17:00"),
    ("2026-11-25 16:00", "nl", "Europe/Amsterdam", False, "wo 25 nov 2026, 17:00"),
    ("2026-11-25 16:00", "pl", "Europe/Warsaw", True, "śr., 25 lis 2026, 17:00 CET"),
    ("2026-11-25 16:00", "ru", "Europe/Moscow", True, "ср, 25 нояб. 2026 г., 19:00 GMT+3"),
    ("2026-11-25 16:00", "bg", "Europe/Sofia", False, "ср, 25.11.2026 г., 18:00"),
    ("2026-11-25 16:00", "el", "Europe/Athens", False, "Τετ 25 Νοε 2026, 6:00 μ.μ."),
    ("2026-11-25 16:00", "ar", "Asia/Dubai", True, "الأربعاء، 25 نوفمبر 2026، 8:00 م GST"),
    ("2026-11-25 16:00", "fa", "Asia/Tehran", True, "چهارشنبه 25 نوامبر 2026، 19:30 GMT+3:30"),
    ("2026-11-25 16:00", "hi", "Asia/Kolkata", False, "बुध, 25 नव॰ 2026, 9:30 pm"),
    ("2026-11-25 16:00", "vi", "Asia/Ho_Chi_Minh", False, "23:00 Th 4, 25 thg 11, 2026"),
    ("2026-11-25 16:00", "th", "Asia/Bangkok", False, "พ. 25 พ.ย. 2026 23:00"),
    ("2026-11-25 16:00", "tr", "Europe/Istanbul", False, "25 Kas 2026 Çar 19:00"),
    ("2026-11-25 16:00", "id", "Asia/Jakarta", True, "Rab, 25 Nov 2026 23.00 WIB"),
    ("2026-11-25 16:00", "sv", "Europe/Stockholm", True, "ons 25 nov. 2026 17:00 CET"),
    ("2026-11-25 16:00", "en", "UTC", True, "Wed, Nov 25, 2026, 4:00 PM UTC"),
    ("2026-11-25 16:00", "de", "Etc/GMT-8", True, "Do., 26. Nov. 2026, 00:00 GMT+8"),
    # Tags with an underscore, of an unknown country, of no language at all.
    ("2026-11-26 02:00", "zh_TW", "Asia/Taipei", False, "2026年11月26日 週四 上午10:00"),
    ("2026-11-25 16:00", "de-XX", "Europe/Zurich", False, "Mi., 25. Nov. 2026, 17:00"),
    ("2026-11-25 16:00", "xx", "Asia/Singapore", True, "Thu, Nov 26, 2026, 12:00 AM GMT+8"),
    ("2026-11-25 16:00", "", "Asia/Singapore", False, "Thu, Nov 26, 2026, 12:00 AM"),
]

LANGUAGES = sorted({row[1] for row in ROWS} | {"ar-EG", "he", "uk", "mn", "kk", "zh-HK", "sq"})
ZONES = sorted({row[2] for row in ROWS})
MOMENTS = st.integers(1_577_836_800, 2_114_380_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""From 2020 to 2036."""


@pytest.mark.parametrize(
    ("utc", "language", "zone", "name_zone", "text"), ROWS, ids=[f"{row[0]} {row[1] or '-'} {row[2]}" for row in ROWS]
)
def test_when(utc: str, language: str, zone: str, name_zone: bool, text: str) -> None:
    """A moment is written in the reader's zone, language and hour style."""
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)

    assert text == when(moment, language=language, zone=zone, name_zone=name_zone)


def test_the_table_is_wide() -> None:
    """The table above covers what it is for."""
    assert len(ROWS) >= 60
    assert len(ZONES) >= 30


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
