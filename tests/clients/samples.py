"""The texts that the scenarios write: events, tasks and cards, with fresh UIDs.

Called by the runners.
"""

import base64
import struct
import uuid
import zlib

BERLIN = """BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZNAME:CEST
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZNAME:CET
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
"""


def new_uid():
    return str(uuid.uuid4())


def calendar(*components):
    return _lines("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Kontor//client tests//EN\n" + "".join(components) + "END:VCALENDAR\n")


def event(uid, title, day="20260310", hour=9, extra=""):
    """One hour in Berlin on `day`."""
    return calendar(
        BERLIN,
        _component(
            "VEVENT",
            uid,
            title,
            f"DTSTART;TZID=Europe/Berlin:{day}T{hour:02}0000\nDTEND;TZID=Europe/Berlin:{day}T{hour + 1:02}0000\n" + extra,
        ),
    )


def all_day(uid, title, first, end):
    """Whole days from `first` up to `end`, which is not part of it (RFC 5545, 3.6.1)."""
    return calendar(_component("VEVENT", uid, title, f"DTSTART;VALUE=DATE:{first}\nDTEND;VALUE=DATE:{end}\n"))


def weekly(uid, title, moved=False):
    """Six Mondays at 9 in Berlin over the change to summer time; `moved` puts the third (23 March) to 14:30."""
    times = "DTSTART;TZID=Europe/Berlin:20260309T090000\nDTEND;TZID=Europe/Berlin:20260309T100000\n"
    parts = [BERLIN, _component("VEVENT", uid, title, times + "RRULE:FREQ=WEEKLY;COUNT=6\n")]
    if moved:
        times = (
            "RECURRENCE-ID;TZID=Europe/Berlin:20260323T090000\n"
            "DTSTART;TZID=Europe/Berlin:20260323T143000\nDTEND;TZID=Europe/Berlin:20260323T153000\n"
        )
        parts.append(_component("VEVENT", uid, title + " (moved)", times))
    return calendar(*parts)


# What `weekly(..., moved=True)` gives between 1 March and 1 May 2026, in UTC: 9:00 is 8:00 before 29 March and 7:00 after it.
WEEKLY_MOVED_UTC = [
    "20260309T080000Z", "20260316T080000Z", "20260323T133000Z", "20260330T070000Z", "20260406T070000Z", "20260413T070000Z",
]  # fmt: skip


def task(uid, title, extra=""):
    return calendar(BERLIN, _component("VTODO", uid, title, "DUE;TZID=Europe/Berlin:20260320T170000\n" + extra))


def card(uid, name, phones=("+49 30 1234567",), photo=False, version="3.0", extra=""):
    """A card with phones (work, cell, home, then fax) and, if asked for, a photo."""
    first, _, last = name.partition(" ")
    types = ("WORK", "CELL", "HOME", "FAX")
    text = f"BEGIN:VCARD\nVERSION:{version}\nUID:{uid}\nFN:{name}\nN:{last};{first};;;\n"
    text += f"EMAIL;TYPE=WORK:{first.lower()}.{uid[:8]}@example.com\n"
    for kind, phone in zip(types, phones, strict=False):
        text += f"TEL;TYPE={kind}:{phone}\n"
    if photo and version == "3.0":
        text += f"PHOTO;ENCODING=b;TYPE=PNG:{photo_text()}\n"
    elif photo:
        text += f"PHOTO;VALUE=URI:data:image/png;base64,{photo_text()}\n"
    return _lines(text + extra + "END:VCARD\n")


def photo_text():
    """A PNG of 24 by 24 points, in base64: long enough to be folded over several lines."""
    row = b"\x00" + bytes(v for x in range(24) for v in (x * 10, 255 - x * 10, (x * 37) % 256))
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 24, 24, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(row * 24, 0)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()


def _component(kind, uid, title, body):
    return f"BEGIN:{kind}\nUID:{uid}\nDTSTAMP:20260101T120000Z\nSUMMARY:{title}\n{body}END:{kind}\n"


def _lines(text):
    # Folded at 75 bytes as RFC 5545, 3.1 asks; the samples are ASCII, so bytes are characters.
    folded = []
    for line in text.splitlines():
        folded.append(line[:75])
        folded.extend(" " + line[at : at + 74] for at in range(75, len(line), 74))
    return "\r\n".join(folded) + "\r\n"
