"""Moments in many languages and zones, with the words that a text has for them."""

from __future__ import annotations

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


ZONES = sorted({row[2] for row in ROWS})
