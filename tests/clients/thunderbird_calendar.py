"""Events and tasks between Thunderbird and the server: both ways, repeating, conflicting, many.

Called by run_thunderbird.py.
"""

import samples
from dav import unfold
from steps import expect, expect_equal, wait_for

MANY = 60


class CalendarScenario:
    """`main` is the Scenario; `calendar` and `tasks` are Thunderbird's facts of the two collections to write in."""

    def __init__(self, main, calendar, tasks):
        self.main = main
        self.dav, self.thunderbird = main.dav, main.thunderbird
        self.id, self.href = calendar["id"], _path(calendar["uri"])
        self.tasks_id, self.tasks_href = tasks["id"], _path(tasks["uri"])

    def run(self):
        step = self.main.steps.run
        step("event: created, changed, deleted in thunderbird", self.event_from_thunderbird)
        step("event: created, changed, deleted at the server", self.event_from_server)
        step("event: whole days over three days", self.all_day)
        step("event: alarm and unknown properties survive a change in thunderbird", self.survival)
        step("repeating event with time zone, one instance moved in thunderbird", self.repeating_from_thunderbird)
        step("repeating event with time zone, one instance moved at the server", self.repeating_from_server)
        step("task: created and completed in thunderbird", self.task_from_thunderbird)
        step("task: created and completed at the server", self.task_from_server)
        step("conflict (412): the server's version is kept", self.conflict_kept)
        step("conflict (412): the user overwrites the server", self.conflict_overwritten)
        step("conflict (412) on delete: kept, then deleted", self.conflict_delete)
        step("change of an event that is gone at the server", self.change_of_deleted)
        step(f"{MANY} events at once from the server, and their removal", self.many_from_server)
        step(f"{MANY} events at once from thunderbird", self.many_from_thunderbird)

    def event_from_thunderbird(self):
        uid = self.add("Lunch with Ada")
        served = self.served(uid)
        for line in (f"UID:{uid}", "SUMMARY:Lunch with Ada", "DTSTART;TZID=Europe/Berlin:20260310T090000"):
            expect(f"the server lacks {line}: {served}", line in served)
        self.change(uid, title="Dinner with Ada", start="20260310T190000", end="20260310T203000")
        served = self.served(uid)
        for line in (
            "SUMMARY:Dinner with Ada",
            "DTSTART;TZID=Europe/Berlin:20260310T190000",
            "DTEND;TZID=Europe/Berlin:20260310T203000",
        ):
            expect(f"the server lacks {line}: {served}", line in served)
        self.thunderbird.call("deleteItem", self.id, uid)
        expect_equal("the deleted event at the server", self.dav.get(self.object(uid)), None)

    def event_from_server(self):
        uid = samples.new_uid()
        self.dav.put(self.object(uid), samples.event(uid, "From the server"))
        seen = self.see(uid, lambda item: item)
        facts = {key: seen[key] for key in ("title", "start", "end", "zone", "allDay")}
        wanted = {
            "title": "From the server",
            "start": "20260310T090000",
            "end": "20260310T100000",
            "zone": "Europe/Berlin",
            "allDay": False,
        }
        expect_equal("the event", facts, wanted)
        self.dav.put(self.object(uid), samples.event(uid, "Moved by the server", hour=15))
        seen = self.see(uid, lambda item: item and item["title"] == "Moved by the server")
        expect_equal("the start", seen["start"], "20260310T150000")
        self.dav.delete(self.object(uid))
        self.see_gone([uid])

    def all_day(self):
        uid = samples.new_uid()
        self.dav.put(self.object(uid), samples.all_day(uid, "Fair", "20260407", "20260410"))
        seen = self.see(uid, lambda item: item)
        expect_equal("the days", (seen["allDay"], seen["start"], seen["end"]), (True, "20260407", "20260410"))
        self.change(uid, title="Fair in Leipzig")
        served = self.served(uid)
        for line in ("DTSTART;VALUE=DATE:20260407", "DTEND;VALUE=DATE:20260410", "SUMMARY:Fair in Leipzig"):
            expect(f"the server lacks {line}: {served}", line in served)

    def survival(self):
        uid = samples.new_uid()
        alarm = "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT15M\nDESCRIPTION:Soon\nX-KONTOR-ALARM:7\nEND:VALARM\n"
        self.dav.put(self.object(uid), samples.event(uid, "With alarm", extra="X-KONTOR-DEAL:opportunities/42\n" + alarm))
        seen = self.see(uid, lambda item: item)
        expect_equal("alarms and extras", (seen["alarms"], seen["extra"]), (1, ["X-KONTOR-DEAL:opportunities/42"]))
        self.change(uid, title="With alarm, renamed")
        served = self.served(uid)
        for line in ("SUMMARY:With alarm\\, renamed", "X-KONTOR-DEAL:opportunities/42", "TRIGGER:-PT15M", "X-KONTOR-ALARM:7"):
            expect(f"the server lacks {line}: {served}", line in served)

    def repeating_from_thunderbird(self):
        uid = samples.new_uid()
        self.thunderbird.call("addItems", self.id, [samples.weekly(uid, "Weekly")])
        changes = {"start": "20260323T143000", "end": "20260323T153000", "title": "Weekly (moved)"}
        self.thunderbird.call("moveInstance", self.id, uid, "20260323T090000", changes)
        expect_equal("the instances", self.instances(uid), samples.WEEKLY_MOVED_UTC)
        served = self.served(uid)
        expect_equal("VEVENTs at the server", served.count("BEGIN:VEVENT"), 2)
        for line in (
            "DTSTART;TZID=Europe/Berlin:20260309T090000",
            "RECURRENCE-ID;TZID=Europe/Berlin:20260323T090000",
            "DTSTART;TZID=Europe/Berlin:20260323T143000",
            "BEGIN:VTIMEZONE",
            "RRULE:FREQ=WEEKLY;COUNT=6",
        ):
            expect(f"the server lacks {line}: {served}", line in served)

    def repeating_from_server(self):
        uid = samples.new_uid()
        self.dav.put(self.object(uid), samples.weekly(uid, "Series"))
        self.see(uid, lambda item: item and not item["exceptions"])
        self.dav.put(self.object(uid), samples.weekly(uid, "Series", moved=True))
        seen = self.see(uid, lambda item: item and item["exceptions"])
        expect_equal("the moved instance", (seen["exceptions"], seen["zone"]), (["20260323T090000"], "Europe/Berlin"))
        expect_equal("the instances", self.instances(uid), samples.WEEKLY_MOVED_UTC)

    def task_from_thunderbird(self):
        uid = samples.new_uid()
        self.thunderbird.call("addItems", self.tasks_id, [samples.task(uid, "Call back")])
        href = f"{self.tasks_href}{uid}.ics"
        expect("the task is not at the server", "SUMMARY:Call back" in self.text(href))
        self.thunderbird.call("changeItem", self.tasks_id, uid, {"completed": True})
        served = self.text(href)
        expect(f"the server's task is not completed: {served}", "STATUS:COMPLETED" in served and "COMPLETED:2" in served)

    def task_from_server(self):
        uid = samples.new_uid()
        href = f"{self.tasks_href}{uid}.ics"
        self.dav.put(href, samples.task(uid, "Write the offer"))
        seen = self.see(uid, lambda item: item, self.tasks_id)
        expect_equal("the task", (seen["kind"], seen["end"], seen["completed"]), ("task", "20260320T170000", False))
        self.dav.put(
            href, samples.task(uid, "Write the offer", "STATUS:COMPLETED\nPERCENT-COMPLETE:100\nCOMPLETED:20260319T100000Z\n")
        )
        self.see(uid, lambda item: item and item["completed"], self.tasks_id)
        self.dav.delete(href)
        self.see_gone([uid], self.tasks_id)

    def conflict_kept(self):
        uid = self.add("Meeting")
        self.conflict(uid, "cancel", lambda: self.change(uid, title="Mine"), "The server's")
        expect("the server's version is lost", "SUMMARY:The server's" in self.served(uid))
        self.see(uid, lambda item: item and item["title"] == "The server's")

    def conflict_overwritten(self):
        uid = self.add("Meeting")
        self.conflict(uid, "accept", lambda: self.change(uid, title="Mine"), "The server's")
        expect("the user's version did not arrive", "SUMMARY:Mine" in self.served(uid))
        self.see(uid, lambda item: item and item["title"] == "Mine")

    def conflict_delete(self):
        uid = self.add("Meeting")
        self.conflict(uid, "cancel", lambda: self.thunderbird.call("deleteItem", self.id, uid), "Still needed")
        expect("the server's version is lost", "SUMMARY:Still needed" in self.served(uid))
        other = self.add("Meeting")
        self.conflict(other, "accept", lambda: self.thunderbird.call("deleteItem", self.id, other), "Changed")
        expect_equal("the deleted event at the server", self.dav.get(self.object(other)), None)

    def conflict(self, uid, answer, act, server_title):
        """Changes the event at the server first, then acts in Thunderbird, which does not know: one dialog, no more."""
        self.thunderbird.call("settle", self.id)
        self.dav.put(self.object(uid), samples.event(uid, server_title))
        self.thunderbird.call("answerConflicts", answer)
        act()
        dialogs = self.thunderbird.call("takeDialogs")
        expect_equal("dialogs", [d["conflict"] for d in dialogs], [True])

    def change_of_deleted(self):
        uid = self.add("Soon gone")
        self.thunderbird.call("settle", self.id)
        self.dav.delete(self.object(uid))
        self.thunderbird.call("answerConflicts", "cancel")
        # If-Match on nothing is 412, so this is the conflict dialog too; "cancel" leaves it deleted (RFC 9110, 13.1.1).
        self.thunderbird.call("startChange", self.id, uid, {"title": "Too late"})
        dialogs = wait_for("the conflict dialog", lambda: self.thunderbird.call("takeDialogs"))
        expect_equal("dialogs", [d["conflict"] for d in dialogs], [True])
        expect_equal("the event at the server", self.dav.get(self.object(uid)), None)
        self.see_gone([uid])

    def many_from_server(self):
        uids = [samples.new_uid() for _ in range(MANY)]
        for number, uid in enumerate(uids):
            self.dav.put(self.object(uid), samples.event(uid, f"Many {number}", hour=number % 20))
        wait_for("all events arrived", lambda: self.refresh() and not set(uids) - self.uids())
        titles = {item["title"] for item in self.main.items(self.id)}
        expect("a title is missing", {f"Many {n}" for n in range(MANY)} <= titles)
        for uid in uids:
            self.dav.delete(self.object(uid))
        self.see_gone(uids)

    def many_from_thunderbird(self):
        uids = [samples.new_uid() for _ in range(MANY)]
        self.thunderbird.call("addItems", self.id, [samples.event(u, f"Bulk {n}") for n, u in enumerate(uids)])
        hrefs = {self.object(uid) for uid in uids}
        expect_equal("events at the server", len(hrefs & set(self.dav.listing(self.href))), MANY)
        expect_equal("events in thunderbird", len(set(uids) & self.uids()), MANY)
        for uid in uids:
            self.thunderbird.call("deleteItem", self.id, uid)
        expect_equal("events left at the server", len(hrefs & set(self.dav.listing(self.href))), 0)

    def add(self, title):
        uid = samples.new_uid()
        self.thunderbird.call("addItems", self.id, [samples.event(uid, title)])
        return uid

    def change(self, uid, **changes):
        return self.thunderbird.call("changeItem", self.id, uid, changes)

    def object(self, uid):
        # Thunderbird names a new object by its UID.
        return f"{self.href}{uid}.ics"

    def served(self, uid):
        return self.text(self.object(uid))

    def text(self, href):
        return unfold(self.dav.get(href) or "")

    def see(self, uid, test, calendar_id=None):
        """Syncs until the event in Thunderbird is as `test` wants it, and answers its facts."""
        where = calendar_id or self.id

        def look():
            self.refresh(where)
            item = self.thunderbird.call("item", where, uid)
            return item if test(item) else None

        return wait_for(f"event {uid} in thunderbird", look)

    def see_gone(self, uids, calendar_id=None):
        where = calendar_id or self.id
        wait_for("the removal in thunderbird", lambda: self.refresh(where) and not set(uids) & self.uids(where))

    def uids(self, calendar_id=None):
        return {item["uid"] for item in self.main.items(calendar_id or self.id)}

    def instances(self, uid):
        found = self.thunderbird.call("instances", self.id, uid, "20260301T000000", "20260501T000000")
        return [instance["utc"] for instance in found]

    def refresh(self, calendar_id=None):
        return self.thunderbird.call("refresh", calendar_id or self.id)


def _path(address):
    return "/" + address.split("://", 1)[1].split("/", 1)[1]
