#!/usr/bin/env python3
"""litmus, the WebDAV test suite, in a home of calendars and in a home of address books: class 1, as far as it can be applied. And with `--files`
among the documents: class 1 and 2, all of it.

Called by the end-to-end tests and by hand: `run_litmus.py --url http://127.0.0.1:8420/ --user sales --password demo`. What litmus
uploads is a meeting or a card (its own setting HTDOCS). Locks are asked for among the documents only.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from dav import Dav
from steps import Steps, end_on_signals, end_with_parent, expect
from suite_lists import FILES_WARNINGS, LITMUS, LITMUS_WARNINGS

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = ("basic", "copymove", "props", "http")
HOMES = ("calendars", "addressbooks")
FILES = ("basic", "copymove", "props", "locks", "http")
SECONDS = 120
STEP = re.compile(r"^ ?(\d+)\. ([a-z0-9_]+)\.* (pass|FAIL|SKIPPED)(.*)$")
WARNED = re.compile(r"^(?: ?(\d+)\. ([a-z0-9_]+)\.*|\s+\.+) (?:WARNING: (.*)|(pass|FAIL) \(with \d+ warnings?\).*)$")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--url", required=True, help="the bare address, such as http://127.0.0.1:8420/")
    arguments.add_argument("--user", default="sales")
    arguments.add_argument("--password", default="demo")
    arguments.add_argument("--files", action="store_true", help="among the documents")
    options = arguments.parse_args()
    end_on_signals()
    steps = Steps()
    if options.files:
        for program in FILES:
            run_files(steps, options, program)
        return steps.finish()
    for home in HOMES:
        for program in PROGRAMS:
            run(steps, options, home, program)
    return steps.finish()


def run(steps, options, home, program):
    """One program of litmus in one home: a step of ours for each of its steps."""
    said = steps.run(f"{home}: litmus {program} runs", litmus, options, home, program)
    if said is None:
        return
    seen, warnings = outcomes(said)
    for name, (outcome, why) in seen.items():
        reason = LITMUS.get(f"{program} {name}")
        if reason:
            steps.run(f"{home}: {program} {name} does not apply: {reason}", expect, f"it is {outcome} now {why}", refused(outcome, why))
        else:
            steps.run(f"{home}: {program} {name}", expect, f"{outcome} {why}", outcome == "pass")
    listed = {name for name in LITMUS if name.split(" ")[0] == program}
    missing = listed - {f"{program} {name}" for name in seen}
    steps.run(f"{home}: {program} has all steps of the list", expect, f"not there: {sorted(missing)}", not missing)
    strange = [text for text in warnings if text not in LITMUS_WARNINGS]
    steps.run(f"{home}: {program} warns of nothing new", expect, "; ".join(strange), not strange)


def run_files(steps, options, program):
    """One program of litmus among the documents, where nothing is left out."""
    said = steps.run(f"files: litmus {program} runs", litmus, options, "files", program)
    if said is None:
        return
    seen, warnings = outcomes(said)
    for name, (outcome, why) in seen.items():
        steps.run(f"files: {program} {name}", expect, f"{outcome} {why}", outcome == "pass")
    strange = [text for text in warnings if text not in FILES_WARNINGS]
    steps.run(f"files: {program} warns of nothing new", expect, "; ".join(strange), not strange)


def refused(outcome, why):
    """What does not apply is refused in order, or skipped: never done, and never a fault of the server."""
    return outcome != "pass" and not re.search(r"\b(400|5\d\d) [A-Z]", why)


def litmus(options, home, program):
    path = "/dav/files/templates/" if home == "files" else f"/dav/{home}/{options.user}/"
    base = f"{options.url.rstrip('/')}{path}"
    # What an earlier run left would be found first.
    Dav(options.url, options.user, options.password).request("DELETE", f"{path}litmus/")
    own = {} if home == "files" else {"HTDOCS": str(HERE / "litmus" / home)}
    environment = {**os.environ, "TESTS": program, **own}
    with tempfile.TemporaryDirectory() as folder:  # litmus writes debug.log where it stands
        ended = subprocess.run(
            ["litmus", "-k", base, options.user, options.password],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, preexec_fn=end_with_parent,
        )
    said = ended.stdout.decode("utf-8", "replace")
    expect(f"no summary: {said[-300:]}", f"<- summary for `{program}'" in said)
    return said


def outcomes(said):
    """Each step with its outcome and reason, and all warnings. litmus writes a step again after a carriage return."""
    seen, warnings, current = {}, [], None
    for line in re.split(r"[\r\n]+", said):
        if step := STEP.match(line):
            seen[f"{step[1]} {step[2]}"] = (step[3], step[4].strip())
        elif warned := WARNED.match(line):
            if warned[1]:
                current = f"{warned[1]} {warned[2]}"
            if warned[3]:
                warnings.append(warned[3].strip())
            elif current:
                seen[current] = (warned[4], "")
    return seen, warnings


if __name__ == "__main__":
    sys.exit(main())
