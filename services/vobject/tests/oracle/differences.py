"""Where ours and recurring-ical-events differ, each with the sentence of an RFC that decides.

Called by compare.py. The same list, for people, is docs/recurrence-differences.md.
"""

from dataclasses import dataclass
from datetime import datetime, timezone

DAY = 86400


def at(text):
    """Seconds of a time such as 2025-09-21T14:22."""
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp())


@dataclass
class Difference:
    """A small calendar, and exactly what each side answers: starts and ends in seconds."""

    name: str
    ics: str
    range: list
    ours: list
    theirs: list


def event(name, lines, start, stop, ours, theirs):
    """A difference shown by one event; instances as `start end` pairs of text."""
    body = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "BEGIN:VEVENT", "UID:u", "DTSTAMP:20260101T000000Z"]
    ics = "\r\n".join([*body, *lines, "END:VEVENT", "END:VCALENDAR", ""])
    pairs = lambda texts: sorted(tuple(at(part) for part in text.split()) for text in texts)
    return Difference(name, ics, [at(start), at(stop)], pairs(ours), pairs(theirs))


LISTED = [
    event(
        "count-and-start",
        ["DTSTART:20230112T100000Z", "RRULE:FREQ=MONTHLY;BYDAY=2MO;COUNT=2"],
        "2023-01-01",
        "2024-01-01",
        ["2023-01-12T10:00 2023-01-12T10:00", "2023-02-13T10:00 2023-02-13T10:00"],
        [
            "2023-01-12T10:00 2023-01-12T10:00",
            "2023-02-13T10:00 2023-02-13T10:00",
            "2023-03-13T10:00 2023-03-13T10:00",
        ],
    ),
    event(
        "until-day",
        ["DTSTART:20250917T142200Z", "RRULE:FREQ=DAILY;UNTIL=20250919"],
        "2025-09-01",
        "2025-10-01",
        [f"2025-09-{day}T14:22 2025-09-{day}T14:22" for day in (17, 18, 19)],
        [f"2025-09-{day}T14:22 2025-09-{day}T14:22" for day in (17, 18)],
    ),
    event(
        "until-before-start",
        ["DTSTART;VALUE=DATE:20231002", "RRULE:FREQ=WEEKLY;UNTIL=20231001"],
        "2023-01-01",
        "2024-01-01",
        ["2023-10-02 2023-10-03"],
        [],
    ),
    event(
        "exact-duration",
        [
            "DTSTART;TZID=Europe/Berlin:20260327T220000",
            "DTEND;TZID=Europe/Berlin:20260328T060000",
            "RRULE:FREQ=DAILY;COUNT=2",
        ],
        "2026-03-01",
        "2026-04-01",
        ["2026-03-27T21:00 2026-03-28T05:00", "2026-03-28T21:00 2026-03-29T05:00"],
        ["2026-03-27T21:00 2026-03-28T05:00", "2026-03-28T21:00 2026-03-29T04:00"],
    ),
    event(
        "exact-time-of-a-duration",
        ["DTSTART;TZID=Europe/Berlin:20260328T220000", "DURATION:PT8H"],
        "2026-03-01",
        "2026-04-01",
        ["2026-03-28T21:00 2026-03-29T05:00"],
        ["2026-03-28T21:00 2026-03-29T04:00"],
    ),
    event(
        "end-before-start",
        ["DTSTART:20190304T083000Z", "DTEND:20190304T080000Z"],
        "2019-03-01",
        "2019-04-01",
        ["2019-03-04T08:30 2019-03-04T08:30"],
        ["2019-03-04T08:00 2019-03-04T08:30"],
    ),
    event(
        "week-number-alone",
        ["DTSTART:20260511T090000Z", "RRULE:FREQ=YEARLY;BYWEEKNO=20"],
        "2026-01-01",
        "2027-01-01",
        ["2026-05-11T09:00 2026-05-11T09:00"],
        [f"2026-05-{day}T09:00 2026-05-{day}T09:00" for day in range(11, 18)],
    ),
    event(
        "numbered-and-plain-days",
        ["DTSTART:20260105T090000Z", "RRULE:FREQ=MONTHLY;BYDAY=1MO,TU"],
        "2026-01-01",
        "2026-02-01",
        [f"2026-01-{day}T09:00 2026-01-{day}T09:00" for day in ("05", "06", 13, 20, 27)],
        ["2026-01-05T09:00 2026-01-05T09:00"],
    ),
    event(
        "weekly-positions",
        ["DTSTART:20260107T090000Z", "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2;COUNT=3"],
        "2026-01-01",
        "2026-02-01",
        [f"2026-01-{day}T09:00 2026-01-{day}T09:00" for day in ("07", 14, 21)],
        [f"2026-01-{day}T09:00 2026-01-{day}T09:00" for day in ("07", "09", 14, 21)],
    ),
    event(
        "utc-or-wall",
        [
            "DTSTART;TZID=Europe/Berlin:20260105T090000",
            "RRULE:FREQ=HOURLY;COUNT=4",
            "EXDATE;TZID=Europe/Berlin:20260105T100000",
        ],
        "2026-01-01",
        "2026-02-01",
        [f"2026-01-05T{hour}:00 2026-01-05T{hour}:00" for hour in ("08", 10, 11)],
        ["2026-01-05T11:00 2026-01-05T11:00"],
    ),
    event(
        "week-53",
        ["DTSTART:20210103T090000Z", "RRULE:FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU"],
        "2021-01-01",
        "2023-01-01",
        ["2021-01-03T09:00 2021-01-03T09:00"],
        ["2021-01-03T09:00 2021-01-03T09:00", "2022-01-02T09:00 2022-01-02T09:00"],
    ),
    event(
        "same-instant",
        ["DTSTART;TZID=Europe/London:20020331T005200", "DURATION:P1D", "RRULE:FREQ=HOURLY;COUNT=3"],
        "2002-03-01",
        "2002-05-01",
        ["2002-03-31T00:52 2002-03-31T23:52", "2002-03-31T01:52 2002-04-01T00:52"],
        [
            "2002-03-31T00:52 2002-03-31T23:52",
            "2002-03-31T01:52 2002-04-01T00:52",
            "2002-03-31T01:52 2002-04-01T01:52",
        ],
    ),
]

_MOVED_ON_EXCEPTED_DAY = """BEGIN:VEVENT
UID:u
DTSTAMP:20260101T000000Z
RECURRENCE-ID:20260106T090000Z
DTSTART:20260120T090000Z
END:VEVENT
"""
_day = event(
    "exdate-day-and-override",
    ["DTSTART:20260105T090000Z", "RRULE:FREQ=DAILY;COUNT=2", "EXDATE;VALUE=DATE:20260106"],
    "2026-01-01",
    "2026-02-01",
    ["2026-01-05T09:00 2026-01-05T09:00"],
    ["2026-01-05T09:00 2026-01-05T09:00", "2026-01-20T09:00 2026-01-20T09:00"],
)
_day.ics = _day.ics.replace("END:VCALENDAR", _MOVED_ON_EXCEPTED_DAY.replace("\n", "\r\n") + "END:VCALENDAR")
LISTED.append(_day)


class Excuse:
    """A calendar of the corpus that shows a difference: `correct` makes of their answer what the RFC demands, and ours
    must then be equal."""

    def __init__(self, difference, correct):
        self.difference, self.correct = difference, correct


def inside(found, start, stop):
    return {o for o in found if (start <= o[2] < stop if o[2] == o[3] else o[2] < stop and o[3] > start)}


def replace(old, new):
    """Takes one start and end of their answer for another; with None, leaves it out or puts it in."""

    def correct(theirs, start, stop):
        kept = {o for o in theirs if o[2:4] != old}
        if new:
            kept |= inside({(*o[:2], *new, o[4]) for o in theirs - kept} if old else set(), start, stop)
        return kept

    return correct


def add(*occurrence):
    return lambda theirs, start, stop: theirs | inside({occurrence}, start, stop)


def journal_days(theirs, start, stop):
    return {(name, uid, begin, begin + DAY, summary) for name, uid, begin, _, summary in theirs}


def pair(text):
    return tuple(at(part) for part in text.split())


CORPUS = {
    "end_before_start_event.ics": Excuse(
        "end-before-start", replace(pair("2019-03-04T07:00 2019-03-04T07:30"), pair("2019-03-04T07:30 2019-03-04T07:30"))
    ),
    "issue_132_swapped_start_and_end.ics": Excuse(
        "end-before-start", replace(pair("2023-12-18T22:30 2023-12-18T22:45"), pair("2023-12-18T22:45 2023-12-18T22:45"))
    ),
    "issue_117_until_before_dtstart.ics": Excuse(
        "until-before-start", add("VEVENT", "", *pair("2023-10-02 2023-10-09"), "test123")
    ),
    "issue_253_additional_recurrence_id.ics": Excuse(
        "override-outside-the-set", add("VEVENT", "111", *pair("2024-07-29 2024-08-04"), "test123")
    ),
    "issue_75_range_parameter.ics": Excuse(
        "until-day", add("VEVENT", "210", *pair("2025-09-21T14:22 2025-09-21T16:13"), "EDITED EVENT")
    ),
    "issue_97_simple_journal.ics": Excuse("journal-day", journal_days),
    "multiple_rrule.ics": Excuse("count-and-start", replace(pair("2023-03-13T10:00 2023-03-13T12:00"), None)),
    # BEGIN:VTODO is closed by END:VTOOD there.
    "issue_201_test_matrix.ics": Excuse("broken-nesting", lambda theirs, start, stop: set()),
}
