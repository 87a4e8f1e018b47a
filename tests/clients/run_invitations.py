#!/usr/bin/env python3
"""Two Thunderbirds of two users: one invites, the other answers; meetings and single instances are moved, and cancelled.

Called by the end-to-end tests and by hand: `run_invitations.py --url http://127.0.0.1:8420/ --user sales --guest manager --password demo`.
Both users need an e-mail address at the server. What it leaves there is one accepted meeting, "Stays accepted".
"""

import argparse
import contextlib
import sys
import uuid

import samples
from dav import Dav
from steps import Steps, StopScenario, end_on_signals, expect, expect_equal, wait_for
from thunderbird import Thunderbird


class Person:
    """One user with a Thunderbird and the calendar in which meetings stand."""

    def __init__(self, url, user, password):
        self.url, self.user, self.password = url, user, password
        self.dav = Dav(url, user, password)
        self.thunderbird = Thunderbird()
        self.calendar = self.address = None

    def set_up(self):
        self.thunderbird.start()
        found = self.thunderbird.call("detectCalendars", self.user, self.password, self.url)
        expect_equal("the error", found["error"], None)
        self.thunderbird.call("addCalendars")
        own = lambda: [c for c in self.call("calendars") if c["checked"] and c["uri"].endswith(f"/calendars/{self.user}/work/")]
        self.calendar = wait_for("the own calendar was checked", own)[0]["id"]
        # Who the user is, Thunderbird asks a moment after the calendar.
        knows = wait_for("it knows who the user is", lambda: (facts := self.call("scheduling", self.calendar))["address"] and facts)
        expect(f"the server does not send the invitations: {knows}", knows["byServer"] and knows["scheduling"] and knows["notifies"])
        self.address = knows["address"].removeprefix("mailto:")

    def call(self, name, *arguments):
        return self.thunderbird.call(name, *arguments)

    def refresh(self):
        self.call("refresh", self.calendar)
        self.call("settle", self.calendar)

    def meeting(self, uid):
        """As it stands here after a look at the server."""
        self.refresh()
        return self.call("meeting", self.calendar, uid)

    def sees(self, what, uid, test):
        """Waits until the meeting here passes the test."""
        return wait_for(f"{self.user} sees {what}", lambda: (seen := self.meeting(uid)) and test(seen) and seen)

    def instances(self, uid):
        self.refresh()
        return [found["start"] for found in self.call("instances", self.calendar, uid, "20260301T000000", "20260401T000000")]


class Scenario:
    def __init__(self, host, guest, steps):
        self.host, self.guest, self.steps = host, guest, steps
        self.uids = {name: f"{uuid.uuid4()}" for name in ("accepted", "declined", "series", "left")}

    def run(self):
        step = self.steps.run
        step("the organizer's Thunderbird finds the calendar and leaves invitations to the server", self.host.set_up, needed=True)
        step("the guest's Thunderbird does so too", self.guest.set_up, needed=True)
        step("an invitation stands in the guest's calendar, open", self.invite, needed=True)
        step("the guest accepts: the organizer sees it", self.accept)
        step("the organizer moves it: the guest is asked again, and accepts again", self.move)
        step("the guest declines another one: the organizer sees it", self.decline)
        step("a series is accepted", self.accept_series, needed=True)
        step("one instance is moved: the guest sees that one moved", self.move_instance)
        step("the guest declines this instance alone: the organizer sees it", self.decline_instance)
        step("the organizer cancels the series: the guest's copy is cancelled", self.cancel)
        step("the guest deletes an accepted one: the organizer sees it declined", self.delete)
        step("both Thunderbirds and the server agree", self.agree)
        step("no dialog was shown", self.no_dialogs)

    def make(self, name, title, text):
        """Invites the guest, and waits until the guest's Thunderbird shows it as an open invitation."""
        uid = self.uids[name]
        self.host.call("invite", self.host.calendar, text(uid, title), [self.guest.address])
        seen = self.guest.sees("the invitation", uid, lambda meeting: meeting["open"])
        expect("the guest's copy is no invitation", seen["invitation"])
        expect_equal("title", seen["title"], title)
        expect_equal("organizer", seen["organizer"], self.host.address)
        expect_equal("the guest's answer", seen["answers"][self.guest.address], "NEEDS-ACTION")
        return uid

    def answer(self, uid, status, recurrence=None):
        """The guest answers, and the organizer's Thunderbird sees the answer."""
        self.guest.call("respond", self.guest.calendar, uid, status, recurrence)
        if not recurrence:
            self.host.sees(status, uid, lambda meeting: meeting["answers"][self.guest.address] == status)

    def invite(self):
        self.make("accepted", "Stays accepted", samples.event)

    def accept(self):
        uid = self.uids["accepted"]
        self.answer(uid, "ACCEPTED")
        expect("it is still open at the guest's", not self.guest.meeting(uid)["open"])

    def move(self):
        uid = self.uids["accepted"]
        self.host.refresh()
        self.host.call("moveMeeting", self.host.calendar, uid, {"start": "20260311T110000", "end": "20260311T120000"})
        seen = self.guest.sees("the new time", uid, lambda meeting: meeting["start"] == "20260311T110000")
        expect("the guest is not asked again", seen["open"])
        self.answer(uid, "ACCEPTED")

    def decline(self):
        uid = self.make("declined", "Is declined", samples.event)
        self.answer(uid, "DECLINED")

    def accept_series(self):
        uid = self.make("series", "Every week", samples.weekly)
        self.answer(uid, "ACCEPTED")

    def move_instance(self):
        uid = self.uids["series"]
        self.host.refresh()
        self.host.call("moveMeeting", self.host.calendar, uid, {"start": "20260317T140000", "end": "20260317T150000"}, "20260316T090000")
        moved = [f"202603{day}" for day in ("09T090000", "17T140000", "23T090000", "30T090000")]
        wait_for("the guest sees the moved instance", lambda: self.guest.instances(uid) == moved)
        expect_equal("the organizer's instances", self.host.instances(uid), moved)
        seen = self.guest.meeting(uid)
        expect_equal("the answer to the others", seen["answers"][self.guest.address], "ACCEPTED")
        expect_equal("the answer to the moved one", [it["answers"][self.guest.address] for it in seen["exceptions"]], ["NEEDS-ACTION"])

    def decline_instance(self):
        uid = self.uids["series"]
        self.answer(uid, "DECLINED", "20260316T090000")

        def declined(meeting):
            return [it["answers"][self.guest.address] for it in meeting["exceptions"]] == ["DECLINED"]

        seen = self.host.sees("the declined instance", uid, declined)
        expect_equal("the answer to the others", seen["answers"][self.guest.address], "ACCEPTED")

    def cancel(self):
        uid = self.uids["series"]
        self.host.call("deleteMeeting", self.host.calendar, uid)
        expect("the organizer still has it", self.host.meeting(uid) is None)
        self.guest.sees("the cancellation", uid, lambda meeting: meeting["status"] == "CANCELLED")

    def delete(self):
        uid = self.make("left", "Is left", samples.event)
        self.answer(uid, "ACCEPTED")
        self.guest.refresh()
        self.guest.call("deleteMeeting", self.guest.calendar, uid)
        self.host.sees("DECLINED", uid, lambda meeting: meeting["answers"][self.guest.address] == "DECLINED")
        expect("the guest still has it", self.guest.meeting(uid) is None)

    def agree(self):
        for person in (self.host, self.guest):
            person.refresh()
            items = {item["uid"] for item in person.call("items", person.calendar)}
            # One object a meeting: none came twice by way of the inbox.
            expect_equal(f"objects of {person.user}", len(person.dav.listing(f"/dav/calendars/{person.user}/work/")), len(items))
        accepted = [person.call("meeting", person.calendar, self.uids["accepted"]) for person in (self.host, self.guest)]
        expect_equal("time at the guest's", accepted[1]["start"], accepted[0]["start"])
        expect_equal("answers at the guest's", accepted[1]["answers"][self.guest.address], "ACCEPTED")

    def no_dialogs(self):
        for person in (self.host, self.guest):
            expect_equal(f"dialogs of {person.user}", person.call("takeDialogs"), [])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--url", required=True, help="the bare address, such as http://127.0.0.1:8420/")
    arguments.add_argument("--user", default="sales", help="who invites")
    arguments.add_argument("--guest", default="manager", help="who is invited")
    arguments.add_argument("--password", default="demo", help="of both")
    arguments.add_argument("--keep", action="store_true", help="keep the profiles and logs also when all is well")
    options = arguments.parse_args()
    end_on_signals()
    steps = Steps()
    with contextlib.ExitStack() as stack:
        people = [Person(options.url, user, options.password) for user in (options.user, options.guest)]
        for person in people:
            stack.callback(person.thunderbird.stop)
        try:
            Scenario(*people, steps).run()
        except StopScenario as step:
            print(f"stopped: nothing can follow after: {step}", flush=True)
    for person in people:
        if steps.failed or options.keep:
            print(f"the profile and log of {person.user} are kept in {person.thunderbird.folder}", file=sys.stderr)
            print(person.thunderbird.log_tail(), file=sys.stderr)
        else:
            person.thunderbird.remove()
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
