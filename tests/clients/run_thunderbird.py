#!/usr/bin/env python3
"""The whole scenario with a real Thunderbird: set up by address, user and password alone; sync both ways; conflicts; removal.

Called by the end-to-end tests and by hand: `run_thunderbird.py --url http://127.0.0.1:8420/ --user sales --password demo`,
or with `--radicale` instead, which proves the scenario itself against a known good server.
"""

import argparse
import contextlib
import sys
import uuid

from dav import Dav, same_path
from radicale_server import Radicale
from steps import Failed, Steps, StopScenario, end_on_signals, expect, expect_equal, wait_for
from thunderbird import Thunderbird, ThunderbirdError
from thunderbird_calendar import CalendarScenario
from thunderbird_contacts import ContactScenario


class Scenario:
    """What all parts share: the server's other side, the program, and the collections that it found."""

    def __init__(self, url, user, password, steps):
        self.url, self.user, self.password, self.steps = url, user, password, steps
        self.dav = Dav(url, user, password)
        self.thunderbird = Thunderbird()
        self.mark = uuid.uuid4().hex[:8]
        self.doomed = None
        self.doomed_book = None

    def run(self):
        step = self.steps.run
        step("server: make a calendar (MKCALENDAR) and an address book (MKCOL)", self.make_collections, needed=True)
        step("thunderbird starts", self.thunderbird.start, needed=True)
        step("wrong password is refused at once", self.wrong_password)
        step("calendars are found from the address alone", self.find_calendars, needed=True)
        step("address books are found from the address alone", self.find_books, needed=True)
        step("first sync shows every object of the server", self.first_sync)
        calendar, tasks, book = step("a writable calendar, task list and address book are there", self.choose, needed=True)
        CalendarScenario(self, calendar, tasks).run()
        ContactScenario(self, book).run()
        step("restart: the stored password serves, nothing is asked, all is still there", self.restart, calendar, book)
        step("a new calendar at the server is found by looking again", self.find_new_calendar)
        step("calendar removed at the server: reported, the others go on", self.remove_calendar, calendar)
        step("address book removed at the server: the others go on", self.remove_book, book)
        step("no unexpected dialog was shown", self.no_dialogs)

    def make_collections(self):
        self.doomed = self.dav.make_calendar(f"doomed-{self.mark}", f"Doomed {self.mark}")
        self.doomed_book = self.dav.make_book(f"doomed-book-{self.mark}", f"Doomed book {self.mark}")
        for kind, wanted in (("calendar", self.doomed), ("book", self.doomed_book)):
            expect(f"the new {kind} is not listed", any(same_path(c.href, wanted) for c in self.dav.collections(kind)))
        # A bare server has nothing else; Kontor's users have their own calendar and book already.
        if not self.writable("calendar"):
            self.dav.make_calendar(f"main-{self.mark}", f"Main {self.mark}")
        if not self.writable("book"):
            self.dav.make_book(f"main-book-{self.mark}", f"Main book {self.mark}")

    def writable(self, kind):
        """The user's writable collections, without the ones that this scenario removes."""
        return [c for c in self.dav.collections(kind) if c.writable and "doomed" not in c.href]

    def wrong_password(self):
        found = self.thunderbird.call("detectCalendars", self.user, "certainly-not-" + self.mark, self.url)
        expect_equal("the error", found["error"], "AuthFailedError")
        expect_equal("stored passwords", self.thunderbird.call("logins"), [])

    def find_calendars(self):
        found = self.thunderbird.call("detectCalendars", self.user, self.password, self.url)
        expect_equal("the error", found["error"], None)
        _same_collections(found["calendars"], "uri", self.dav.collections("calendar"))
        for seen in found["calendars"]:
            served = next(c for c in self.dav.collections("calendar") if same_path(c.href, seen["uri"]))
            expect_equal(f"name of {served.href}", seen["name"], served.name)
            expect_equal(f"read-only of {served.href}", seen["readOnly"], not served.writable)
        doomed = next(c for c in found["calendars"] if same_path(c["uri"], self.doomed))
        expect_equal("the colour", doomed["color"].lower(), "#1f77b4")
        self.thunderbird.call("addCalendars")
        wait_for("every calendar was checked at the server", lambda: all(c["checked"] for c in self.calendars()))
        expect_equal("logins stored", [entry["user"] for entry in self.thunderbird.call("logins")], [self.user])

    def find_books(self):
        found = self.thunderbird.call("detectBooks", self.user, self.password, self.url)
        expect_equal("the error", found["error"], None)
        _same_collections(found["books"], "url", self.dav.collections("book"))
        self.thunderbird.call("addBooks")
        wait_for("every address book was fetched", lambda: all(b["syncToken"] for b in self.books()))

    def first_sync(self):
        for calendar in self.calendars():
            wanted = len(self.dav.listing(path_of(calendar["uri"])))
            wait_for(f"{wanted} items in {calendar['name']}", lambda c=calendar, w=wanted: len(self.items(c["id"])) == w)
            expect(f"{calendar['name']} is synced without sync-collection", calendar["syncCollection"])
        for book in self.books():
            wanted = len(self.dav.listing(path_of(book["url"])))
            wait_for(f"{wanted} cards in {book['name']}", lambda b=book, w=wanted: len(self.cards(b["id"])) == w)

    def choose(self):
        events = next((c for c in self.writable("calendar") if "VEVENT" in c.components), None)
        tasks = next((c for c in self.writable("calendar") if "VTODO" in c.components), None)
        book = next(iter(self.writable("book")), None)
        if not (events and tasks and book):
            raise Failed(f"calendar {events}, tasks {tasks}, book {book}")
        return self.calendar_at(events.href), self.calendar_at(tasks.href), self.book_at(book.href)

    def restart(self, calendar, book):
        before = len(self.items(calendar["id"])), len(self.cards(book["id"]))
        self.no_dialogs()
        self.thunderbird.restart()
        wait_for("the calendars were checked again", lambda: all(c["checked"] and not c["failed"] for c in self.calendars()))
        self.thunderbird.call("refresh", calendar["id"])
        self.thunderbird.call("syncBook", book["id"])
        expect_equal("items and cards", (len(self.items(calendar["id"])), len(self.cards(book["id"]))), before)
        expect_equal("logins stored", [entry["user"] for entry in self.thunderbird.call("logins")], [self.user])
        self.no_dialogs()

    def find_new_calendar(self):
        href = self.dav.make_calendar(f"later-{self.mark}", f"Later {self.mark}")
        self.thunderbird.call("detectCalendars", self.user, self.password, self.url)
        self.thunderbird.call("addCalendars")
        wait_for("the new calendar is there", lambda: self.calendar_at(href)["checked"])
        self.dav.delete(href)
        self.thunderbird.call("removeCalendar", self.calendar_at(href)["id"])

    def remove_calendar(self, calendar):
        doomed = self.calendar_at(self.doomed)
        self.dav.delete(self.doomed)
        expect_equal(
            "PROPFIND of the removed calendar", self.dav.request("PROPFIND", self.doomed, None, {"Depth": "0"}).status, 404
        )

        def reported():
            self.thunderbird.call("refresh", doomed["id"])
            now = self.calendar_at(self.doomed)
            return now["failed"] or now["disabled"] or now["status"] != 0

        wait_for("thunderbird reports the removed calendar", reported)
        self.thunderbird.call("removeCalendar", doomed["id"])
        self.thunderbird.call("refresh", calendar["id"])
        now = self.calendar_at(calendar["uri"])
        expect("the other calendar failed with it", not now["failed"] and not now["disabled"])

    def remove_book(self, book):
        doomed = self.book_at(self.doomed_book)
        self.dav.delete(self.doomed_book)
        try:
            self.thunderbird.call("syncBook", doomed["id"])
        except ThunderbirdError as problem:
            expect(f"another error than a refused request: {problem}", "response from server: 40" in str(problem))
        else:
            raise Failed("thunderbird synced an address book that is gone")
        self.thunderbird.call("syncBook", book["id"])

    def no_dialogs(self):
        expect_equal("dialogs", self.thunderbird.call("takeDialogs"), [])

    # What Thunderbird holds now.

    def calendars(self):
        return self.thunderbird.call("calendars")

    def books(self):
        return self.thunderbird.call("books")

    def items(self, calendar_id):
        return self.thunderbird.call("items", calendar_id)

    def cards(self, book_id):
        return self.thunderbird.call("cards", book_id)

    def calendar_at(self, href):
        return _one(self.calendars(), "uri", href)

    def book_at(self, href):
        return _one(self.books(), "url", href)


def path_of(address):
    return "/" + address.split("://", 1)[1].split("/", 1)[1]


def _one(rows, key, href):
    for row in rows:
        if same_path(row[key], href):
            return row
    raise Failed(f"thunderbird does not have {href}")


def _same_collections(seen, key, served):
    missing = [c.href for c in served if not any(same_path(c.href, s[key]) for s in seen)]
    extra = [s[key] for s in seen if not any(same_path(c.href, s[key]) for c in served)]
    expect(f"not found: {missing}; not at the server: {extra}", not missing and not extra)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--url", help="the bare address, such as http://127.0.0.1:8420/")
    arguments.add_argument("--user", default="sales")
    arguments.add_argument("--password", default="demo")
    arguments.add_argument("--radicale", action="store_true", help="start a Radicale and run against it")
    arguments.add_argument("--keep", action="store_true", help="keep the profile and the log also when all is well")
    options = arguments.parse_args()
    end_on_signals()
    if bool(options.url) == options.radicale:
        arguments.error("give either --url or --radicale")
    steps = Steps()
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(Radicale(options.user, options.password)).url if options.radicale else options.url
        scenario = Scenario(url, options.user, options.password, steps)
        try:
            scenario.run()
        except StopScenario as step:
            print(f"stopped: nothing can follow after: {step}", flush=True)
        finally:
            scenario.thunderbird.stop()
        if steps.failed or options.keep:
            print(f"thunderbird's profile and log are kept in {scenario.thunderbird.folder}", file=sys.stderr)
            print(scenario.thunderbird.log_tail(), file=sys.stderr)
        else:
            scenario.thunderbird.remove()
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
