"""The steps of a scenario: one line each on standard output, and a closing line with the count.

Called by run_thunderbird.py and run_vdirsyncer.py. The lines are `ok STEP` and `FAILED STEP: why`, the last `N passed, M failed`.
"""

import ctypes
import signal
import sys
import time
import traceback


class Failed(Exception):
    """A step did not see what it must see."""


class Steps:
    """Runs steps and counts them; a failed step does not stop the others, unless it is needed by all."""

    def __init__(self, limit_seconds=900):
        self.passed = 0
        self.failed = 0
        self._deadline = time.monotonic() + limit_seconds

    def run(self, name, function, *arguments, needed=False):
        """Runs one step. A failed step that is `needed` ends the scenario with `StopScenario`."""
        began = time.monotonic()
        try:
            expect("the scenario is out of time", began < self._deadline)
            value = function(*arguments)
        except Exception as problem:  # a step may fail in any way; the line says how
            self.failed += 1
            print(f"FAILED {name}: {_reason(problem)} ({time.monotonic() - began:.1f} s)", flush=True)
            if needed:
                raise StopScenario(name) from problem
            return None
        self.passed += 1
        print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)
        return value

    def finish(self):
        """Prints the count and answers the exit code."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 0 if self.failed == 0 and self.passed > 0 else 1


class StopScenario(Exception):
    """Nothing after this step can work."""


def end_on_signals():
    """Makes SIGTERM end the runner in order, so that what it started ends too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def end_with_parent():
    """For `preexec_fn`: a runner that is killed leaves no program behind. PR_SET_PDEATHSIG (1) of Linux."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def expect_equal(what, seen, wanted):
    if seen != wanted:
        raise Failed(f"{what} is {seen!r}, not {wanted!r}")


def expect(what, condition):
    if not condition:
        raise Failed(what)


def wait_for(what, look, seconds=40, pause=0.25):
    """Calls `look` until its answer is true, and answers it. `Failed` from it counts as not yet."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = look()
            if value:
                return value
        except Failed as problem:
            last = problem
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not seen within {seconds} s" + (f" ({last})" if last else ""))
        time.sleep(pause)


def _reason(problem):
    text = str(problem) or type(problem).__name__
    if not isinstance(problem, Failed):
        place = traceback.extract_tb(problem.__traceback__)[-1]
        text = f"{type(problem).__name__}: {text} (line {place.lineno} of {place.name})"
    return " ".join(text.split())[:600]
