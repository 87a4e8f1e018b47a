"""What the outside suites ask for that Kontor does not do, each with the reason. Everything else must pass, and what is listed must not.

Called by run_litmus.py and run_caldav_suites.py.
"""

_PLAIN = "puts plain text; a calendar takes iCalendar objects only and a book vCards only (RFC 4791 4.2, RFC 6352 5.2)"
_INSIDE = "makes a collection in a calendar or book, which the RFCs forbid there (RFC 4791 4.2, RFC 6352 5.2)"
_ONE_UID = "puts one object under two names into one collection; a UID stands there once (RFC 4791 5.3.2.1, RFC 6352 6.3.2.1)"


def _skipped(why):
    return f"litmus skips it after: {why}"


def _without(why):
    return f"the object is not there, for the step before {why}"


# litmus 0.13, by program, number and name of the step; the same in a home of calendars and in one of address books.
LITMUS = {
    "basic 3 put_get": _PLAIN,
    "basic 4 put_get_utf8_segment": _PLAIN,
    "basic 6 mkcol_over_plain": _skipped(_PLAIN),
    "basic 7 delete": _skipped(_PLAIN),
    "basic 9 delete_fragment": _INSIDE,
    "basic 10 mkcol": _INSIDE,
    "basic 11 mkcol_again": _skipped(_INSIDE),
    "basic 12 delete_coll": _skipped(_INSIDE),
    "copymove 2 copy_init": _INSIDE,
    "copymove 3 copy_simple": _skipped(_INSIDE),
    "copymove 4 copy_overwrite": _skipped(_INSIDE),
    "copymove 5 copy_nodestcoll": _skipped(_INSIDE),
    "copymove 7 copy_coll": _INSIDE,
    "copymove 8 copy_shallow": _INSIDE,
    "copymove 9 move": _ONE_UID,
    "copymove 10 move_coll": _INSIDE,
    # What propmove took to another name stands there still when propinit puts it again.
    "props 25 propinit": _ONE_UID,
    "props 26 propmanyns": _without(_ONE_UID),
    "props 27 propget": _without(_ONE_UID),
}

# Warnings of litmus that are no fault.
LITMUS_WARNINGS = {"server does not claim Class 2 compliance": "there are no locks yet, and DAV does not announce them"}

# Warnings among the documents that are no fault: all steps of all programs pass there.
FILES_WARNINGS = {
    "DELETE removed collection resource with Request-URI including fragment; unsafe": "a fragment is cut off before the gateway sees the address",
    **{f"Property {number} omitted from results with no status": "dav-server leaves out a property that is not there" for number in range(10)},
}

_SEARCH = "python-caldav asks for no property: it writes DAV:prop and the properties side by side (RFC 3744 9.4 has them inside)"

# caldav-server-tester 1.7.0: feature, what it finds instead of "full", why. Never broken, fragile or ungraceful.
TESTER = {
    "create-calendar.auto": ("unsupported", "a PUT into a calendar that does not exist is 409 (RFC 4918 9.7.1) and makes none"),
    "principal-search": ("unsupported", _SEARCH),
    "principal-search.by-name.self": ("unsupported", _SEARCH),
    "principal-search.list-all": ("unsupported", _SEARCH),
    "scheduling.schedule-tag.stable-partstat": (
        "unsupported",
        "a PUT of a client always changes the tag, as at the server of the RFC's author; only what the server does itself may keep it (RFC 6638 3.2.10)",
    ),
    "search.text.comp-type-optional": ("unsupported", "a property filter on VCALENDAR looks at the calendar's own properties (RFC 4791 9.7.2)"),
    "search.time-range.comp-type-optional": ("unsupported", "a time range belongs to a component that has times (RFC 4791 9.7.1)"),
    "url.encode-at.identity": ("unsupported", "/a@b/ and /a%40b/ are one place: in a path the @ stands for itself (RFC 3986 3.3)"),
    "url.encode-at.literal.principal": ("unknown", "login names have no @, so no address of the server has one"),
    "well-known": ("unknown", "not asked at localhost; Thunderbird and vdirsyncer start there"),
}

# The tests of python-caldav 3.6.0 that skip themselves, by name.
PYTHON_CALDAV = {
    "testChangeAttendeeStatusWithEmptyAddressSet": "is for servers that give users no address for invitations",
    "testIssue399ChangeAttendeeStatusUsernameEmailFallback": "is for login names that are e-mail addresses",
    "testAcceptInviteUsernameEmailFallback": "is for login names that are e-mail addresses",
    "testPrincipals": _SEARCH,
    "testScheduleTagStableOnPartstateUpdate": TESTER["scheduling.schedule-tag.stable-partstat"][1],
}
