"""Compares our occurrences with those of recurring-ical-events and dateutil.

Three parts: that package's own calendars, 10,000 generated rules, and the known differences, each of which must be
exactly as listed (see docs/recurrence-differences.md). Run in an environment with requirements.txt installed:

    python3 services/vobject/tests/oracle/compare.py --bin target/debug/examples/occurrences
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections import Counter

import differences
import generate
import oracle


class Ours:
    """Our binary with `--batch`: one line of JSON out for each one in, so that one process serves all cases."""

    def __init__(self, binary):
        self.process = subprocess.Popen([binary, "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask_all(self, cases):
        """Answers of many cases, in their order. Written by a thread, so that neither side waits for the other."""

        def write():
            for case in cases:
                self.process.stdin.write(json.dumps(case) + "\n")
            self.process.stdin.close()

        writer = threading.Thread(target=write)
        writer.start()
        answers = [json.loads(line) for line in self.process.stdout]
        writer.join()
        if self.process.wait() != 0 or len(answers) != len(cases):
            sys.exit(f"our binary ended with {self.process.returncode} after {len(answers)} of {len(cases)} cases")
        return answers


def as_set(answer):
    """One range of our answer in the form of oracle.occurrences."""
    return {(o["name"], o["uid"], o["start"], o["end"], o["summary"]) for o in answer}


class Score:
    def __init__(self, verbose):
        self.counts = Counter()
        self.verbose = verbose

    def check(self, name, right, explain=lambda: ""):
        self.counts["passed" if right else "failed"] += 1
        if not right and self.counts["failed"] <= self.verbose:
            print(f"FAILED {name}\n{explain()}")


def show(ours, theirs):
    moment = lambda at: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    line = lambda o: f"{o[0]} {o[1][:40]} {moment(o[2])} .. {moment(o[3])} {(o[4] or '')[:40]}"
    rows = [f"  only ours:   {line(o)}" for o in sorted(ours - theirs, key=str)[:5]]
    rows += [f"  only theirs: {line(o)}" for o in sorted(theirs - ours, key=str)[:5]]
    return "\n".join(rows)


def compare_corpus(ask, score):
    files = oracle.corpus()
    if len(files) < 90:
        sys.exit(f"only {len(files)} calendars in the corpus; is the right version installed?")
    cases, kept = [], []
    for path in files:
        ics = path.read_bytes().decode("utf-8", "replace")
        ranges = generate.ranges_of(ics)
        cases.append({"id": path.name, "ics": ics, "zone": "UTC", "ranges": ranges})
        kept.append((path.name, ics, ranges))
    for (name, ics, ranges), answer in zip(kept, ask(cases)):
        queries = oracle.queries(ics)
        excused = differences.CORPUS.get(name)
        differed = False
        for (start, stop), found in zip(ranges, answer["ranges"]):
            theirs = set().union(*(oracle.occurrences(query, start, stop) for query in queries))
            # A component without UID has a made-up one on each side.
            ours = {(n, "" if u.startswith("#") else u, *rest) for n, u, *rest in as_set(found)}
            if excused:
                corrected = excused.correct(theirs, start, stop)
                differed |= corrected != theirs
                theirs = corrected
            label = f"{name} {time.strftime('%Y-%m-%d', time.gmtime(start))} +{(stop - start) // 86400} days"
            score.check(label, ours == theirs, lambda: show(ours, theirs) + f"\n  {answer['errors']}")
        if excused:
            score.check(f"{name} still shows {excused.difference}", differed)


def compare_generated(ask, score, count, seed):
    cases = generate.cases(count, seed)
    requests = [{"id": n, "ics": c.ics, "zone": "UTC", "ranges": c.ranges} for n, c in enumerate(cases)]
    for case, answer in zip(cases, ask(requests)):
        ours = [{(o["start"], o["end"]) for o in found} for found in answer["ranges"]]
        theirs = case.expected()
        right = not answer["errors"] and ours == theirs
        both = lambda: [({("", "", *o, "") for o in a}, {("", "", *o, "") for o in b}) for a, b in zip(ours, theirs)]
        explain = lambda: case.ics + "\n".join(show(a, b) for a, b in both()) + f"\n  {answer['errors']}"
        score.check(f"generated {answer['id']} of seed {seed}", right, explain)


def compare_differences(ask, score):
    """Each known difference is really there, on both sides just as it is written down."""
    listed = differences.LISTED
    answers = ask([{"id": d.name, "ics": d.ics, "zone": "UTC", "ranges": [d.range]} for d in listed])
    for difference, answer in zip(listed, answers):
        ours = sorted({(o["start"], o["end"]) for o in answer["ranges"][0]})
        theirs = {o[2:4] for query in oracle.queries(difference.ics) for o in oracle.occurrences(query, *difference.range)}
        score.check(f"{difference.name} is a difference", difference.ours != difference.theirs)
        score.check(f"{difference.name} (ours)", ours == difference.ours, lambda: f"  {ours}\n  {answer['errors']}")
        score.check(f"{difference.name} (theirs)", sorted(theirs) == difference.theirs, lambda: f"  {sorted(theirs)}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bin", required=True, help="our example binary `occurrences`")
    arguments.add_argument("--count", type=int, default=10_000, help="generated rules")
    arguments.add_argument("--seed", type=int, default=5545)
    arguments.add_argument("--verbose", type=int, default=20, help="failures that are printed in full")
    arguments.add_argument("--part", choices=["corpus", "generated", "differences"])
    given = arguments.parse_args()
    score = Score(given.verbose)
    ask = lambda cases: Ours(given.bin).ask_all(cases)
    parts = {
        "corpus": lambda: compare_corpus(ask, score),
        "generated": lambda: compare_generated(ask, score, given.count, given.seed),
        "differences": lambda: compare_differences(ask, score),
    }
    for name, run in parts.items():
        if given.part in (None, name):
            before, begin = Counter(score.counts), time.time()
            run()
            done = score.counts - before
            print(f"{name}: {done['passed']} passed, {done['failed']} failed in {time.time() - begin:.1f} s")
    print(f"{score.counts['passed']} passed, {score.counts['failed']} failed")
    return 1 if score.counts["failed"] or not score.counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
