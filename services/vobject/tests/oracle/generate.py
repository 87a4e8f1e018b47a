"""Makes calendars with random rules, always the same for a seed, and ranges to ask for.

Called by compare.py. Rules stay where RFC 5545 and dateutil agree; where they do not is listed in differences.py.
"""

import itertools
import random
import re
import types
import zoneinfo
from datetime import date, datetime, timedelta, timezone

import dateutil.rrule
from dateutil.rrule import rrulestr

import oracle

# Both sides with the same zones: the python package of them, never the machine's.
zoneinfo.reset_tzpath([])

# dateutil walks a rule that has no instance any more to this year, which is 9999 and takes it minutes. No range here
# goes beyond 2040.
dateutil.rrule.datetime = types.SimpleNamespace(**(vars(dateutil.rrule.datetime) | {"MAXYEAR": 2045}))

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR, DAY = 3600, 86400
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
# Whole and half hours of summer time, changes at midnight, a day left out, and none at all.
ZONES = [
    "Europe/Berlin", "America/New_York", "Europe/London", "Australia/Lord_Howe", "America/St_Johns",
    "America/Sao_Paulo", "Pacific/Apia", "Asia/Kolkata", "Australia/Sydney", "Asia/Tehran",
]  # fmt: skip


def at(moment):
    return int((moment - EPOCH).total_seconds())


def ranges_of(ics):
    """Years, months and days around everything that a calendar names a date of."""
    years = {int(y) for y in re.findall(r"(?:DTSTART|DUE|RDATE|RECURRENCE-ID)[^\r\n]*?[:,](\d{4})\d{4}", ics)}
    years = {y for y in years if y > 1971} or {2020}
    chance = random.Random(len(ics))
    first, last = min(years), min(max(years), min(years) + 12)
    year = lambda number: at(datetime(number, 1, 1, tzinfo=UTC))
    ranges = [[year(number), year(number + 1)] for number in range(first - 1, last + 3)]
    for _ in range(12):
        begin = datetime(chance.randint(first, last + 1), chance.randint(1, 12), 1, tzinfo=UTC)
        ranges.append([at(begin), at(begin + timedelta(days=30))])
    days = sorted(set(re.findall(r"(?:DTSTART|RECURRENCE-ID)[^\r\n]*?[:,](20\d{6})", ics)))
    for day in chance.sample(days, min(12, len(days))):
        begin = datetime.strptime(day + "+0000", "%Y%m%d%z") + timedelta(days=chance.randint(-1, 8))
        ranges.append([at(begin), at(begin + timedelta(days=1))])
    return ranges


def cases(count, seed):
    """So many cases. A rule that dateutil refuses, or that has no instance within years, is drawn anew."""
    chance = random.Random(seed)
    made = []
    while len(made) < count:
        case = Draw(chance).case()
        if case:
            made.append(case)
    return made


class Case:
    def __init__(self, ics, ranges, ends):
        self.ics, self.ranges, self.ends = ics, ranges, ends

    def expected(self):
        """Start and end in seconds for each range. Starts are the package's; ends are by RFC 5545 3.8.5.3, as the
        package reckons DTEND on the wall (see exact-duration in differences.py)."""
        (query,) = oracle.queries(self.ics)
        answer = []
        for start, stop in self.ranges:
            # Wider, because an event that ends later by our reckoning may reach into the range.
            wide = oracle.occurrences(query, start - 3 * HOUR, stop + 3 * HOUR)
            found = {(begin, self.ends(begin, end, summary)) for _, _, begin, end, summary in wide}
            inside = lambda b, e: start <= b < stop if b == e else b < stop and e > start
            answer.append({(b, e) for b, e in found if inside(b, e)})
        return answer


class Draw:
    """One random event."""

    def __init__(self, chance):
        self.chance = chance
        self.form = chance.choice(["date", "floating", "utc"] + ["zoned"] * 6)
        self.zone = chance.choice(ZONES) if self.form == "zoned" else None
        day = date(chance.randint(1998, 2028), chance.randint(1, 12), chance.randint(1, 28))
        hour = chance.choice([0, 1, 2, 2, 3, 9, 12, 17, 23])
        start = datetime(day.year, day.month, day.day, hour, chance.choice([0, 0, 15, 30, 59]), chance.choice([0, 0, 30]))
        if self.zone == "Pacific/Apia":
            start = start.replace(year=2011, month=chance.choice([11, 12]))
        self.start = datetime(day.year, day.month, day.day) if self.form == "date" else start
        self.frequency = chance.choice(self.frequencies())

    def frequencies(self):
        slow = ["YEARLY"] * 4 + ["MONTHLY"] * 5 + ["WEEKLY"] * 4 + ["DAILY"] * 3
        return slow if self.form == "date" else slow + ["HOURLY", "MINUTELY", "SECONDLY"]

    def case(self):
        parts = self.parts()
        try:
            if not self.settle(parts):
                return None
        except ValueError:
            return None
        positions = any(part.startswith("BYSETPOS") for part in parts)
        if self.frequency == "WEEKLY" and positions and WEEKDAYS[self.start.weekday()] != self.week_start:
            return None  # dateutil counts positions of the first week from DTSTART on; see weekly-positions
        return self.event(parts)

    def settle(self, parts):
        """Moves DTSTART onto the rule, mostly; then `self.instances` are its first ones and the end is drawn."""
        chance = self.chance
        rule = ";".join(parts)
        span = {"SECONDLY": 1, "MINUTELY": 3, "HOURLY": 60, "DAILY": 800}.get(self.frequency, 5000)
        bounded = lambda: rrulestr(rule, dtstart=self.start).replace(until=self.start + timedelta(days=span))
        first = next(iter(bounded()), None)
        if first is None:
            return False
        fits = first == self.start
        if not fits and chance.random() < 0.8:
            self.start = first
            fits = next(iter(bounded()), None) == first
        self.instances = list(itertools.islice(bounded(), 50))
        ending = chance.random() * (0.6 if self.frequency == "SECONDLY" else 1)
        # COUNT of a rule that DTSTART does not fit is read differently; see count-and-start in differences.py.
        if ending < 0.3 and fits:
            parts.append(f"COUNT={chance.randint(1, 45)}")
        elif ending < 0.6:
            until = max(self.start, chance.choice(self.instances))
            if chance.random() < 0.5 and self.form != "date":
                until += timedelta(minutes=chance.choice([-30, 1, 30, 600]))
                until = max(until, self.start)
            parts.append("UNTIL=" + self.text(until, instant=True))
        return True

    def parts(self):
        chance = self.chance
        parts = [f"FREQ={self.frequency}"]
        if chance.random() < 0.5:
            most = {"YEARLY": 4, "MONTHLY": 7, "WEEKLY": 5, "DAILY": 20, "HOURLY": 30}.get(self.frequency, 90)
            parts.append(f"INTERVAL={chance.randint(1, most)}")
        self.week_start = "MO"
        if chance.random() < 0.3:
            self.week_start = chance.choice(WEEKDAYS)
            parts.append("WKST=" + self.week_start)
        listed = getattr(self, self.frequency.lower())()
        if self.form != "date":
            listed += self.times()
        if listed and chance.random() < 0.25:
            slow = self.frequency in ("YEARLY", "MONTHLY")
            listed.append(self.some("BYSETPOS", [1, 2, 3, 5, -1, -2, -4] if slow else [1, -1], 3))
        if self.frequency in ("MINUTELY", "SECONDLY") and listed:
            # Steps that never meet the times take dateutil to the end of time.
            parts = [part for part in parts if not part.startswith("INTERVAL")]
        return parts + listed

    def some(self, name, values, most):
        values = self.chance.sample(values, self.chance.randint(1, min(most, len(values))))
        return f"{name}=" + ",".join(str(value) for value in values)

    def months(self):
        return self.some("BYMONTH", range(1, 13), 4)

    def month_days(self):
        return self.some("BYMONTHDAY", [*range(1, 32), *range(-31, 0)], 5)

    def weekdays(self):
        return self.some("BYDAY", WEEKDAYS, 4)

    def numbered(self, numbers):
        days = [f"{number}{day}" for number in numbers for day in WEEKDAYS]
        return self.some("BYDAY", days, 4)

    def yearly(self):
        of_month = [1, 2, 3, 4, 5, -1, -2, -5]
        # Without weeks 52 and 53, which dateutil miscounts; see week-53 in differences.py.
        return self.chance.choice(
            [
                lambda: [],
                lambda: [self.months()],
                lambda: [self.months(), self.month_days()],
                lambda: [self.months(), self.numbered(of_month)],
                lambda: [self.months(), self.weekdays()],
                lambda: [self.months(), self.month_days(), self.weekdays()],
                lambda: [self.month_days()],
                lambda: [self.month_days(), self.weekdays()],
                lambda: [self.weekdays()],
                lambda: [self.numbered([1, 2, 9, 20, 52, 53, -1, -2, -20, -53])],
                lambda: [self.some("BYYEARDAY", [1, 2, 59, 60, 61, 100, 200, 365, 366, -1, -2, -100, -306, -366], 4)],
                lambda: [self.some("BYYEARDAY", range(1, 366), 60), self.weekdays()],
                lambda: [self.some("BYWEEKNO", [1, 2, 5, 10, 20, 30, 51], 4), self.weekdays()],
                lambda: [self.some("BYWEEKNO", range(1, 52), 20), self.weekdays(), self.months()],
            ]
        )()

    def monthly(self):
        return self.chance.choice(
            [
                lambda: [],
                lambda: [self.month_days()],
                lambda: [self.weekdays()],
                lambda: [self.numbered([1, 2, 3, 4, 5, -1, -2, -3, -5])],
                lambda: [self.month_days(), self.weekdays()],
                lambda: [self.months(), self.month_days()],
                lambda: [self.months(), self.numbered([1, 2, -1])],
                lambda: ["BYDAY=MO,TU,WE,TH,FR"],
            ]
        )()

    def weekly(self):
        choices = [lambda: [], lambda: [self.weekdays()], lambda: [self.weekdays(), self.months()], lambda: [self.months()]]
        return self.chance.choice(choices)()

    def daily(self):
        parts = [self.months, self.month_days, self.weekdays]
        return [part() for part in parts if self.chance.random() < 0.3]

    def hourly(self):
        parts = [self.months, self.month_days, self.weekdays]
        listed = [part() for part in parts if self.chance.random() < 0.15]
        if self.chance.random() < 0.2:
            listed.append(self.some("BYYEARDAY", range(1, 366), 100))
        return listed

    def minutely(self):
        return []  # dateutil walks minute by minute, so a rule with days left out would take it hours

    secondly = minutely

    def times(self):
        hours = 0.1 if self.frequency in ("YEARLY", "MONTHLY", "WEEKLY") else 0.25
        listed = []
        if self.chance.random() < hours:
            listed.append(self.some("BYHOUR", range(24), 4))
            if self.frequency == "SECONDLY":
                return []
        if self.chance.random() < hours:
            listed.append(self.some("BYMINUTE", range(60), 3))
        if self.chance.random() < 0.05:
            listed.append(self.some("BYSECOND", range(60), 3))
        return listed

    def text(self, moment, instant=False):
        """A value in the form of DTSTART; with `instant`, UTC for a zoned DTSTART, as UNTIL wants it."""
        if self.form == "date":
            return moment.strftime("%Y%m%d")
        if self.form == "zoned" and instant:
            return self.instant(moment).strftime("%Y%m%dT%H%M%SZ")
        return moment.strftime("%Y%m%dT%H%M%S") + ("Z" if self.form == "utc" else "")

    def instant(self, moment):
        return moment.replace(tzinfo=zoneinfo.ZoneInfo(self.zone) if self.zone else UTC).astimezone(UTC)

    def line(self, name, moments):
        head = {"date": ";VALUE=DATE", "zoned": f";TZID={self.zone}"}.get(self.form, "")
        return f"{name}{head}:" + ",".join(self.text(moment) for moment in moments)

    def event(self, parts):
        chance = self.chance
        lines = ["BEGIN:VEVENT", "UID:u", "DTSTAMP:20260101T000000Z", "SUMMARY:master", self.line("DTSTART", [self.start])]
        length, ends = self.length(parts)
        lines += length + ["RRULE:" + ";".join(parts)]
        exact, whole_day = self.safe_to_name(parts), False
        if exact and chance.random() < 0.3:
            lines.append(self.line("EXDATE", chance.sample(self.instances, min(3, len(self.instances)))))
        elif chance.random() < 0.1 and self.form != "date" and self.frequency not in ("MINUTELY", "SECONDLY"):
            whole_day = True  # and no override, for the package shows one on such a day; see exdate-day-and-override
            lines.append("EXDATE;VALUE=DATE:" + chance.choice(self.instances).strftime("%Y%m%d"))
        if chance.random() < 0.3:
            extra = [self.start + timedelta(days=chance.randint(1, 300)) for _ in range(2)]
            lines.append(self.line("RDATE", extra))
        lines.append("END:VEVENT")
        if exact and not whole_day and chance.random() < 0.2 and len(self.instances) > 2:
            lines += self.override(chance.choice(self.instances))
        ics = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", *lines, "END:VCALENDAR", ""])
        return Case(ics, self.ranges(), ends)

    def safe_to_name(self, parts):
        """Whether EXDATE and RECURRENCE-ID can name one instance only: the package takes the wall time of one for the
        UTC of another (see utc-or-wall in differences.py), where several a day make that possible."""
        several = any(part.startswith(("BYHOUR", "BYMINUTE", "BYSECOND")) for part in parts)
        apart = self.zone in ("Asia/Kolkata", "Asia/Tehran", "America/St_Johns") and self.frequency == "HOURLY"
        slow = self.frequency in ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
        return self.form != "zoned" or not several and (slow or apart)

    def override(self, instance):
        moved = instance + timedelta(days=self.chance.randint(-20, 20))
        if self.form != "date":
            moved += timedelta(minutes=self.chance.choice([0, 30, 600]))
        lines = ["BEGIN:VEVENT", "UID:u", "DTSTAMP:20260101T000000Z", "SUMMARY:moved"]
        lines += [self.line("RECURRENCE-ID", [instance]), self.line("DTSTART", [moved])]
        return lines + ["END:VEVENT"]

    def length(self, parts):
        """The lines that say how long it lasts, and a function from start and the package's end to the end."""
        chance = self.chance
        kind = chance.choice(["none", "end", "end", "duration", "days"])
        if kind == "days" and (self.zone == "Pacific/Apia" or not self.safe_to_name(parts)):
            kind = "duration"  # the package has two ends for one instant; see same-instant in differences.py
        theirs = lambda begin, end, summary: end
        if kind == "none":
            return [], theirs
        if self.form == "date":
            days = chance.randint(1, 9)
            lines = [f"DURATION:P{days}D"] if kind == "days" else [self.line("DTEND", [self.start + timedelta(days=days)])]
            return lines, theirs
        if kind == "days":
            return [f"DURATION:P{chance.randint(1, 3)}D"], theirs  # nominal, and so is the package's reckoning
        minutes = chance.choice([30, 60, 90, 300, 1500])
        if kind == "duration":
            seconds = minutes * 60
            lines = [f"DURATION:PT{minutes}M"]
        else:
            end = self.start + timedelta(minutes=minutes)
            seconds = at(self.instant(end)) - at(self.instant(self.start))
            if seconds <= 0:
                return [], theirs
            lines = [self.line("DTEND", [end])]
        exact = lambda begin, end, summary: begin + seconds if summary == "master" else end
        return lines, exact

    def ranges(self):
        """From before the start on, somewhere later, and a day around some instance."""
        chance = self.chance
        quick = {"SECONDLY": (HOUR, HOUR), "MINUTELY": (5 * HOUR, 5 * HOUR), "HOURLY": (10 * DAY, 20 * DAY)}
        length, later = quick.get(self.frequency, (400 * DAY, 1500 * DAY))
        start = at(self.instant(self.start))
        some = at(self.instant(chance.choice(self.instances))) + chance.randint(-DAY, DAY)
        after = start + chance.randint(0, later)
        return [[start - 10 * DAY, start + length], [after, after + length // 10], [some, some + min(DAY, length)]]
