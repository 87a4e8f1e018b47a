#!/usr/bin/env python3
"""The whole scenario with vdirsyncer, khal and khard: discovery, sync both ways, conflicts, removal.

Called by the end-to-end tests and by hand: `run_vdirsyncer.py --url http://127.0.0.1:8420/ --user sales --password demo`,
or with `--radicale` instead, which proves the scenario itself against a known good server.
"""

import argparse
import contextlib
import sys
import uuid

import samples
from dav import Dav, same_path, unfold
from radicale_server import Radicale
from steps import Failed, Steps, StopScenario, end_on_signals, expect, expect_equal
from sync_tools import SyncTools

MANY = 60
PHONES = ("+49 30 1234567", "+49 171 2345678", "+49 89 3456789", "+49 30 1234599")


class Scenario:
    def __init__(self, url, user, password, steps, byte_true):
        self.steps = steps
        self.byte_true = byte_true
        self.dav = Dav(url, user, password)
        self.tools = SyncTools(url, user, password)
        self.mark = uuid.uuid4().hex[:8]
        self.calendar = self.book = self.doomed = None

    def run(self):
        step = self.steps.run
        print("with " + ", ".join(self.tools.versions()), flush=True)
        step("server: make calendars (MKCALENDAR) and an address book (MKCOL)", self.make_collections, needed=True)
        step("calendars and address books are found from the address alone", self.discover, needed=True)
        step("first sync brings every object", self.first_sync, needed=True)
        step("name and colour: read, and changed by the client (PROPPATCH)", self.metadata)
        step("event: created with khal, changed and deleted here", self.event_from_client)
        step("event: created, changed, deleted at the server, seen in khal", self.event_from_server)
        step("repeating event with time zone and a moved instance, both ways", self.repeating)
        exactly = " byte for byte" if self.byte_true else ""
        step(f"whole days, alarm and unknown properties survive{exactly}", self.survival)
        step("task: created here, completed at the server", self.task)
        step("card: created with khard, four phones and a photo, changed and deleted here", self.card_from_client)
        step("card: created, changed, deleted at the server, seen in khard", self.card_from_server)
        step("conflict: nothing is lost, then each side can win", self.conflict)
        step("conflict at the server: wrong If-Match and If-None-Match are 412", self.preconditions)
        step(f"{MANY} events and {MANY} cards at once from the server, and their removal", self.many_from_server)
        step(f"{MANY} events and {MANY} cards at once from here, and their removal", self.many_from_client)
        step("a calendar and an address book made here appear at the server", self.made_here)
        step("calendar removed at the server: reported, files kept, the others go on", self.remove_calendar)

    def make_collections(self):
        self.calendar = self.dav.make_calendar(f"sync-{self.mark}", f"Sync {self.mark}")
        self.doomed = self.dav.make_calendar(f"doomed-{self.mark}", f"Doomed {self.mark}")
        self.book = self.dav.make_book(f"sync-book-{self.mark}", f"Sync book {self.mark}")
        # The overview shows the events of the other calendars. vdirsyncer reads all at the same time, and an event that goes between
        # its list and its look is an error to it, so its users put the overview away.
        for collection in self.dav.collections("calendar"):
            if _slug(collection.href) == "overview":
                self.dav.delete(collection.href)
        # vdirsyncer refuses to empty a whole collection, so one object stays in each.
        for collection in (self.calendar, self.doomed):
            self.dav.put(f"{collection}stays.ics", samples.event(samples.new_uid(), "Stays"))
        self.dav.put(f"{self.book}stays.vcf", samples.card(samples.new_uid(), "Stays Here"))

    def discover(self):
        self.tools.discover(create=True)
        for kind, folder in (("calendar", "calendars"), ("book", "books")):
            wanted = {_slug(c.href) for c in self.dav.collections(kind)}
            found = {p.name for p in (self.tools.folder / folder).iterdir()}
            expect_equal(f"{folder} found", found, wanted)

    def first_sync(self):
        self.tools.sync()
        for kind, folder in (("calendar", "calendars"), ("book", "books")):
            for collection in self.dav.collections(kind):
                wanted = len(self.dav.listing(collection.href))
                expect_equal(
                    f"files of {collection.href}", len(_objects(self.tools.folder / folder / _slug(collection.href))), wanted
                )

    def metadata(self):
        self.tools.metasync()
        here = self.tools.folder / "calendars" / _slug(self.calendar)
        expect_equal("name", (here / "displayname").read_text().strip(), f"Sync {self.mark}")
        expect_equal("colour", (here / "color").read_text().strip().lower()[:7], "#1f77b4")
        (here / "displayname").write_text("Renamed by vdirsyncer")
        (here / "color").write_text("#d62728")
        self.tools.metasync()
        names = {c.name for c in self.dav.collections("calendar") if same_path(c.href, self.calendar)}
        expect_equal("name at the server", names, {"Renamed by vdirsyncer"})
        color = "{http://apple.com/ns/ical/}calendar-color"
        [(_, props)] = self.dav.propfind(self.calendar, 0, "<I:calendar-color/>")
        expect_equal("colour at the server", props[color].text.lower()[:7], "#d62728")

    def event_from_client(self):
        before = set(self.files("calendars"))
        self.khal("new", "-a", "main", "2026-03-10", "09:00", "10:00", "Europe/Berlin", "Lunch with Ada")
        [name] = set(self.files("calendars")) - before
        self.tools.sync()
        href = self.href_of(name)
        served = unfold(self.dav.get(href))
        for line in ("SUMMARY:Lunch with Ada", "DTSTART;TZID=Europe/Berlin:20260310T090000"):
            expect(f"the server lacks {line}: {served}", line in served)
        self.edit(name, "Lunch with Ada", "Dinner with Ada")
        self.tools.sync()
        expect("the change is not at the server", "SUMMARY:Dinner with Ada" in unfold(self.dav.get(href)))
        self.path("calendars", name).unlink()
        self.tools.sync()
        expect_equal("the deleted event at the server", self.dav.get(href), None)

    def event_from_server(self):
        uid = samples.new_uid()
        href = self.calendar + uid + ".ics"
        self.dav.put(href, samples.event(uid, "From the server"))
        self.tools.sync()
        expect_equal("in khal", self.agenda("From the server"), ["2026-03-10 09:00 From the server"])
        self.dav.put(href, samples.event(uid, "From the server again", hour=15))
        self.tools.sync()
        expect_equal("in khal", self.agenda("From the server"), ["2026-03-10 15:00 From the server again"])
        self.dav.delete(href)
        self.tools.sync()
        expect_equal("in khal", self.agenda("From the server"), [])

    def repeating(self):
        uid, other = samples.new_uid(), samples.new_uid()
        self.dav.put(self.calendar + uid + ".ics", samples.weekly(uid, "Series", moved=True))
        self.write("calendars", other, samples.weekly(other, "Weekly", moved=True))
        self.tools.sync()
        days = ("09 09:00", "16 09:00", "23 14:30", "30 09:00")
        wanted = [f"2026-03-{d}" for d in days] + ["2026-04-06 09:00", "2026-04-13 09:00"]
        for title in ("Series", "Weekly"):
            expect_equal(f"instances of {title}", [line[:16] for line in self.agenda(title)], wanted)
        self.expect_text("the server", self.dav.get(self.href_of(other + ".ics")), samples.weekly(other, "Weekly", moved=True))

    def survival(self):
        uid = samples.new_uid()
        alarm = "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT15M\nDESCRIPTION:Soon\nX-KONTOR-ALARM:7\nEND:VALARM\n"
        odd = 'X-KONTOR-DEAL;X-NOTE="a;b:c":opportunities/42\nX-LONG:' + "long " * 60 + "\n"
        text = samples.all_day(uid, "Fair", "20260407", "20260410").replace(
            "END:VEVENT", (odd + alarm).replace("\n", "\r\n") + "END:VEVENT"
        )
        self.write("calendars", uid, text)
        self.tools.sync()
        self.expect_text("the server", self.dav.get(self.href_of(uid + ".ics")), text)
        expect_equal("days in khal", len(self.agenda("Fair")), 3)
        self.edit(uid + ".ics", "SUMMARY:Fair", "SUMMARY:Fair in Leipzig")
        self.tools.sync()
        changed = text.replace("SUMMARY:Fair", "SUMMARY:Fair in Leipzig")
        self.expect_text("the server", self.dav.get(self.href_of(uid + ".ics")), changed)

    def task(self):
        uid = samples.new_uid()
        self.write("calendars", uid, samples.task(uid, "Call back"))
        self.tools.sync()
        href = self.href_of(uid + ".ics")
        expect("the task is not at the server", "SUMMARY:Call back" in self.dav.get(href))
        self.dav.put(href, samples.task(uid, "Call back", "STATUS:COMPLETED\nPERCENT-COMPLETE:100\nCOMPLETED:20260319T100000Z\n"))
        self.tools.sync()
        expect("the task is not completed here", "STATUS:COMPLETED" in self.read("calendars", uid + ".ics"))

    def card_from_client(self):
        before = set(self.files("books"))
        phones = "".join(f"  {kind}: '{phone}'\n" for kind, phone in zip(("work", "cell", "home", "fax"), PHONES, strict=True))
        source = self.tools.folder / "new.yaml"
        source.write_text(f"First name: Grace\nLast name: Hopper\nPhone:\n{phones}")
        self.khard("new", "-a", "main", "-i", str(source))
        [name] = set(self.files("books")) - before
        # khard has no command for photos: the file is what another program of the desktop would write.
        self.edit(name, "END:VCARD", f"PHOTO;ENCODING=b;TYPE=PNG:{samples.photo_text()}\r\nEND:VCARD", "books")
        self.tools.sync()
        href = self.href_of(name, self.book)
        served = unfold(self.dav.get(href))
        for part in ("FN:Grace Hopper", samples.photo_text(), *PHONES):
            expect(f"the server lacks {part[:60]}: {served[:400]}", part in served)
        self.edit(name, PHONES[0], "+49 30 7654321", "books")
        self.tools.sync()
        served = unfold(self.dav.get(href))
        expect(f"the new phone is not at the server: {served[:400]}", "+49 30 7654321" in served and PHONES[0] not in served)
        self.path("books", name).unlink()
        self.tools.sync()
        expect_equal("the deleted card at the server", self.dav.get(href), None)

    def card_from_server(self):
        uid = samples.new_uid()
        href = self.book + uid + ".vcf"
        text = samples.card(
            uid, "Ada Lovelace", PHONES, photo=True, extra="X-KONTOR-DEAL;X-KIND=big:opportunities/42\nitem1.X-ABLABEL:Yacht\n"
        )
        self.dav.put(href, text)
        self.tools.sync()
        expect_equal("phones in khard", self.phones("Ada Lovelace"), sorted(PHONES))
        self.expect_text("this side", self.read("books", uid + ".vcf"), text)
        self.dav.put(href, text.replace(PHONES[0], "+49 30 7654321"))
        self.tools.sync()
        expect_equal("phones in khard", self.phones("Ada Lovelace"), sorted(("+49 30 7654321", *PHONES[1:])))
        self.dav.delete(href)
        self.tools.sync()
        expect("the deleted card is still here", uid + ".vcf" not in self.files("books"))

    def conflict(self):
        for winner, wanted in (('"a wins"', "Mine"), ('"b wins"', "The server's")):
            uid = samples.new_uid()
            href = self.calendar + uid + ".ics"
            self.dav.put(href, samples.event(uid, "Meeting"))
            self.tools.sync()
            self.dav.put(href, samples.event(uid, "The server's"))
            self.edit(uid + ".ics", "SUMMARY:Meeting", "SUMMARY:Mine")
            # "a wins" would hide the conflict; without a rule vdirsyncer must see it and touch neither side.
            said = self.tools.sync(f"calendars/{_slug(self.calendar)}", fails=True)
            expect(f"vdirsyncer does not speak of a conflict: {said[-300:]}", "conflict" in said.lower())
            expect("the server's version is lost", "SUMMARY:The server's" in self.dav.get(href))
            expect("the version here is lost", "SUMMARY:Mine" in self.read("calendars", uid + ".ics"))
            self.tools.sync(f"calendars/{_slug(self.calendar)}", conflict=winner)
            expect(f"with {winner} the server has another text", f"SUMMARY:{wanted}" in self.dav.get(href))
            expect(f"with {winner} the file has another text", f"SUMMARY:{wanted}" in self.read("calendars", uid + ".ics"))

    def preconditions(self):
        uid = samples.new_uid()
        href = self.calendar + uid + ".ics"
        self.dav.put(href, samples.event(uid, "One"))
        old = self.dav.etag(href)
        self.dav.put(href, samples.event(uid, "Two"))
        kind = {"Content-Type": "text/calendar"}
        for headers in ({"If-Match": old}, {"If-None-Match": "*"}):
            expect_equal(
                f"PUT with {headers}", self.dav.request("PUT", href, samples.event(uid, "Three"), kind | headers).status, 412
            )
        expect_equal("DELETE with the old ETag", self.dav.request("DELETE", href, None, {"If-Match": old}).status, 412)
        expect("the server's version is lost", "SUMMARY:Two" in self.dav.get(href))
        expect_equal(
            "PUT with If-Match of nothing",
            self.dav.request("PUT", href + "x.ics", samples.event(uid + "x", "Three"), kind | {"If-Match": old}).status,
            412,
        )
        self.dav.put(href, samples.event(uid, "Four"), self.dav.etag(href))
        self.dav.delete(href)

    def many_from_server(self):
        uids = [samples.new_uid() for _ in range(MANY)]
        for number, uid in enumerate(uids):
            self.dav.put(f"{self.calendar}{uid}.ics", samples.event(uid, f"Many {number}", hour=number % 20))
            self.dav.put(f"{self.book}{uid}.vcf", samples.card(uid, f"Many Card{number}"))
        self.tools.sync()
        expect_equal("events in khal", len(self.agenda("Many ")), MANY)
        expect_equal("cards in khard", self.khard("list").count("Many Card"), MANY)
        for uid in uids:
            self.dav.delete(f"{self.calendar}{uid}.ics")
            self.dav.delete(f"{self.book}{uid}.vcf")
        self.tools.sync()
        expect_equal("events left in khal", self.agenda("Many "), [])
        expect_equal("cards left in khard", self.khard("list").count("Many Card"), 0)

    def many_from_client(self):
        uids = [samples.new_uid() for _ in range(MANY)]
        for number, uid in enumerate(uids):
            self.write("calendars", uid, samples.event(uid, f"Bulk {number}"))
            self.write("books", uid, samples.card(uid, f"Bulk Card{number}"))
        self.tools.sync()
        for folder, collection in (("calendars", self.calendar), ("books", self.book)):
            at_server = {_slug(href).rsplit(".", 1)[0] for href in self.dav.listing(collection)}
            expect_equal(f"{folder} at the server", len(set(uids) & at_server), MANY)
            for uid in uids:
                self.path(folder, uid + (".ics" if folder == "calendars" else ".vcf")).unlink()
        self.tools.sync()
        for collection in (self.calendar, self.book):
            left = {_slug(href).rsplit(".", 1)[0] for href in self.dav.listing(collection)}
            expect_equal("left at the server", set(uids) & left, set())

    def made_here(self):
        uid = samples.new_uid()
        for folder, kind in (("calendars", "calendar"), ("books", "book")):
            name = f"here-{self.mark}-{folder}"
            place = self.tools.folder / folder / name
            place.mkdir()
            text = samples.event(uid, "Made here") if kind == "calendar" else samples.card(uid, "Made Here")
            (place / (uid + (".ics" if kind == "calendar" else ".vcf"))).write_bytes(text.encode())
            self.tools.discover(create=True)
            self.tools.sync()
            [made] = [c for c in self.dav.collections(kind) if _slug(c.href) == name]
            expect_equal(f"objects in {name}", len(self.dav.listing(made.href)), 1)

    def remove_calendar(self):
        name = _slug(self.doomed)
        kept = _objects(self.tools.folder / "calendars" / name)
        self.dav.delete(self.doomed)
        uid = samples.new_uid()
        self.dav.put(self.calendar + uid + ".ics", samples.event(uid, "Still synced"))
        said = self.tools.sync(fails=True)
        expect(f"vdirsyncer does not name the removed calendar: {said[-300:]}", name in said)
        expect_equal("files here", _objects(self.tools.folder / "calendars" / name), kept)
        self.tools.sync(f"calendars/{_slug(self.calendar)}")
        expect_equal("the other calendar in khal", len(self.agenda("Still synced")), 1)

    def expect_text(self, where, seen, wanted):
        """The bytes as they were written; from a server that writes texts anew (Radicale), the same lines in any order."""
        if where == "this side":
            # What comes inside XML can lose its CR on the way (XML 1.0, 2.11); the rest must be the same.
            seen, wanted = seen.replace("\r\n", "\n"), wanted.replace("\r\n", "\n")
        if self.byte_true:
            expect_equal(f"the text at {where}", seen, wanted)
        else:
            expect_equal(f"the lines at {where}", sorted(unfold(seen).splitlines()), sorted(unfold(wanted).splitlines()))

    # The folders here, and what khal and khard show of them.

    def khal(self, *arguments):
        return self.tools.khal(_slug(self.calendar), *arguments)

    def khard(self, *arguments):
        return self.tools.khard(_slug(self.book), *arguments)

    def agenda(self, title):
        """khal's lines from March to April whose title begins so."""
        shown = self.khal(
            "list",
            "--notstarted",
            "--day-format",
            "",
            "--format",
            "{start-date} {start-time} {title}",
            "2026-03-01",
            "2026-05-01",
        )
        lines = [" ".join(line.replace("⟳", "").split()) for line in shown.splitlines()]
        return sorted(line for line in lines if line.partition(" ")[2].lstrip("0123456789: ").startswith(title))

    def phones(self, name):
        return sorted(
            line.split("\t")[0].strip() for line in self.khard("phone", "--parsable", name).splitlines() if line.startswith("+")
        )

    def path(self, folder, name):
        return self.tools.folder / folder / _slug(self.calendar if folder == "calendars" else self.book) / name

    def files(self, folder):
        return _objects(self.path(folder, ""))

    def read(self, folder, name):
        return self.path(folder, name).read_bytes().decode()

    def write(self, folder, uid, text):
        self.path(folder, uid + (".ics" if folder == "calendars" else ".vcf")).write_bytes(text.encode())

    def edit(self, name, old, new, folder="calendars"):
        """Changes a file's text as an editor does."""
        text = self.read(folder, name)
        expect(f"{name} has no {old}", old in text)
        self.path(folder, name).write_bytes(text.replace(old, new).encode())

    def href_of(self, name, collection=None):
        """Where vdirsyncer put a file of this name: it names new objects by their UID."""
        where = collection or self.calendar
        for href in self.dav.listing(where):
            if _slug(href) == name:
                return href
        raise Failed(f"{name} is not at the server in {where}")


def _slug(href):
    return href.rstrip("/").rsplit("/", 1)[1]


def _objects(folder):
    return sorted(p.name for p in folder.iterdir() if p.suffix in (".ics", ".vcf"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--url", help="the bare address, such as http://127.0.0.1:8420/")
    arguments.add_argument("--user", default="sales")
    arguments.add_argument("--password", default="demo")
    arguments.add_argument("--radicale", action="store_true", help="start a Radicale and run against it")
    arguments.add_argument("--keep", action="store_true", help="keep the folder and the log also when all is well")
    options = arguments.parse_args()
    end_on_signals()
    if bool(options.url) == options.radicale:
        arguments.error("give either --url or --radicale")
    steps = Steps()
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(Radicale(options.user, options.password)).url if options.radicale else options.url
        scenario = Scenario(url, options.user, options.password, steps, byte_true=not options.radicale)
        try:
            scenario.run()
        except StopScenario as step:
            print(f"stopped: nothing can follow after: {step}", flush=True)
        if steps.failed or options.keep:
            print(f"the folder and the log are kept in {scenario.tools.folder}", file=sys.stderr)
            print(scenario.tools.log_tail(), file=sys.stderr)
        else:
            scenario.tools.remove()
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
