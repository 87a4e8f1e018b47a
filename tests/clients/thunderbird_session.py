#!/usr/bin/env python3
"""Thunderbird as a child process of another test: one JSON request per line in, one JSON answer per line out.

Called by the Rust end-to-end tests, which check the same rows over gRPC between two requests. Try it by hand:
`echo '{"call": "calendars", "arguments": []}' | thunderbird_session.py --url http://127.0.0.1:8420/`
"""

import argparse
import json
import sys
import time

from steps import end_on_signals
from thunderbird import Thunderbird, ThunderbirdError

SETUP_SECONDS = 60


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--url", required=True, help="the bare address, such as http://127.0.0.1:8420/")
    arguments.add_argument("--user", default="sales")
    arguments.add_argument("--password", default="demo")
    options = arguments.parse_args()
    end_on_signals()
    thunderbird = Thunderbird()
    well = False
    try:
        thunderbird.start()
        answer(value=set_up(thunderbird, options))
        for line in sys.stdin:
            serve(thunderbird, line)
        well = True
    except ThunderbirdError as problem:
        answer(problem=str(problem))
    finally:
        thunderbird.stop()
        if well:
            thunderbird.remove()
        else:
            print(f"thunderbird's profile and log are kept in {thunderbird.folder}", file=sys.stderr)
    return 0 if well else 1


def set_up(thunderbird, options):
    """Finds and adds everything from the address alone, waits for the first sync, and answers what there is."""
    for find, add in (("detectCalendars", "addCalendars"), ("detectBooks", "addBooks")):
        found = thunderbird.call(find, options.user, options.password, options.url)
        if found["error"]:
            raise ThunderbirdError(f"{find}: {found['error']}")
        thunderbird.call(add)
    deadline = time.monotonic() + SETUP_SECONDS
    while time.monotonic() < deadline:
        calendars, books = thunderbird.call("calendars"), thunderbird.call("books")
        if all(c["checked"] for c in calendars) and all(b["syncToken"] and not b["syncing"] for b in books):
            for calendar in calendars:
                thunderbird.call("refresh", calendar["id"])
            return {"calendars": calendars, "books": books}
        time.sleep(0.2)
    raise ThunderbirdError(f"the first sync did not end in {SETUP_SECONDS} s")


def serve(thunderbird, line):
    """Runs one request `{"call": NAME, "arguments": [...]}`; the names are the functions of thunderbird.js."""
    try:
        request = json.loads(line)
        answer(value=thunderbird.call(request["call"], *request.get("arguments", [])))
    except (ThunderbirdError, ValueError, KeyError, TypeError) as problem:
        answer(problem=f"{type(problem).__name__}: {problem}")


def answer(**facts):
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    sys.exit(main())
