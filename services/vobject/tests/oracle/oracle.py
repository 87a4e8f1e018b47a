"""The other side: occurrences as the python package recurring-ical-events finds them.

Called by compare.py; knows nothing of ours.
"""

import datetime
from datetime import timedelta, timezone
from pathlib import Path

import icalendar
import recurring_ical_events
from recurring_ical_events.query import CalendarQuery

UTC = timezone.utc
COMPONENTS = ("VEVENT", "VTODO", "VJOURNAL")
# What the package answers for tasks without dates; ours has `Series::overlaps` for these.
ENDLESS_YEARS = (1, 1970, 2038, 9999)


def corpus():
    """The package's own test calendars, which it is installed with."""
    folder = Path(recurring_ical_events.__file__).parent / "test" / "calendars"
    return sorted(folder.glob("*.ics"))


def seconds(time, zone=UTC):
    """Seconds since 1970 of a date, a floating or a zoned time. Days and floating times are taken in `zone`."""
    if not isinstance(time, datetime.datetime):
        time = datetime.datetime(time.year, time.month, time.day)
    if time.tzinfo is None:
        time = time.replace(tzinfo=zone)
    return int(time.astimezone(UTC).timestamp())


def queries(ics):
    """One query for each VCALENDAR of a text."""
    calendars = icalendar.Calendar.from_ical(ics, multiple=True)
    # Not through `of`, for that applies X-WR-TIMEZONE, which is no part of RFC 5545.
    return [CalendarQuery(calendar, components=COMPONENTS, skip_bad_series=True) for calendar in calendars]


def occurrences(query, start, stop):
    """What overlaps [start, stop), both in seconds, as (name, uid, start, end, summary) in seconds."""
    found = set()
    moment = lambda at: datetime.datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)
    # Not through `between`, which copies every component for its answer, at half of the whole run's time.
    for occurrence in query._occurrences_between(moment(start), moment(stop)):
        begin, end = occurrence.start, occurrence.end
        component = occurrence._adapter._component
        if component.name == "VTODO" and begin.year in ENDLESS_YEARS and end.year in ENDLESS_YEARS:
            continue
        summary = component.get("SUMMARY")
        summary = None if summary is None else str(summary)
        found.add((component.name, str(component.get("UID", "")).strip(), seconds(begin), seconds(end), summary))
    return found
