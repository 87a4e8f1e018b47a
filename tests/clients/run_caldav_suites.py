#!/usr/bin/env python3
"""caldav-server-tester, and the functional tests of the python-caldav library, with several users for invitations.

Called by the end-to-end tests and by hand, with the venv of the tests:
`run_caldav_suites.py --url http://127.0.0.1:8420/ --user sales --password demo --guest manager --guest operator`.
What they may find instead of "all is well" stands in suite_lists.py. The library's tests come from its source package, which tests/install brings.
"""

import argparse
import ast
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

import caldav
from steps import Steps, end_on_signals, end_with_parent, expect, expect_equal
from suite_lists import PYTHON_CALDAV, TESTER

BIN = pathlib.Path(sys.executable).parent
SOURCES = BIN.parent / f"caldav-{caldav.__version__}"
SECONDS = 300
# A run that looked at nothing must not pass.
FEATURES_AT_LEAST = 105
TESTS_AT_LEAST = 70
NEVER = {"broken", "fragile", "ungraceful"}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--url", required=True, help="the bare address, such as http://127.0.0.1:8420/")
    arguments.add_argument("--user", default="sales")
    arguments.add_argument("--password", default="demo", help="of all users")
    arguments.add_argument("--guest", action="append", default=[], help="another user, to be invited; give two")
    options = arguments.parse_args()
    end_on_signals()
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="kontor-caldav-") as folder:
        check_features(steps, options, pathlib.Path(folder))
        check_library(steps, options, pathlib.Path(folder))
    return steps.finish()


def accounts(options):
    url = f"{options.url.rstrip('/')}/dav/"
    return [{"url": url, "username": name, "password": options.password} for name in (options.user, *options.guest)]


def environment(folder, **more):
    """Nothing of the person who runs this: neither their calendars nor their settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALDAV_", "CALENDARING_", "PYTHON_CALDAV_", "PYTEST_"))}
    return {**kept, "HOME": str(folder), "TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder / ".config"), "PYTHONDONTWRITEBYTECODE": "1", **more}


# ---- caldav-server-tester


def check_features(steps, options, folder):
    features = steps.run("caldav-server-tester runs", tester, options, folder)
    if features is None:
        return
    graded = {name: found["support"] for name, found in features.items() if "support" in found}
    steps.run(f"it looked at {len(graded)} features", expect, f"fewer than {FEATURES_AT_LEAST}", len(graded) >= FEATURES_AT_LEAST)
    for name, support in sorted(graded.items()):
        wanted, reason = TESTER.get(name, ("full", ""))
        told = f"feature {name} is {wanted}" + (f": {reason}" if reason else "")
        steps.run(told, expect, f"{support} {features[name].get('behaviour', '')}", support == wanted and support not in NEVER)
    missing = sorted(set(TESTER) - set(graded))
    steps.run("all listed features were looked at", expect, f"not seen: {missing}", not missing)


def tester(options, folder):
    main_account, *guests = accounts(options)
    sections = {f"guest{number}": {f"caldav_{key}": value for key, value in guest.items()} for number, guest in enumerate(guests)}
    config = folder / "calendar.conf"
    config.write_text(json.dumps(sections))
    command = [str(BIN / "caldav-server-tester"), "--format", "hints"]
    command += [f"--caldav-{key}={value}" for key, value in main_account.items()]
    for name in sections:
        command += ["--config-section", name]
    ended = run(command, folder, environment(folder, CALDAV_CONFIG_FILE=str(config)))
    expect_equal(f"exit code of {command[0]} ({ended.stderr[-1500:]})", ended.returncode, 0)
    return ast.literal_eval(ended.stdout)


# ---- the tests of the library


def check_library(steps, options, folder):
    cases = steps.run(f"the tests of python-caldav {caldav.__version__} run", library, options, folder)
    if cases is None:
        return
    passed = 0
    for name, (outcome, why) in cases.items():
        if name in PYTHON_CALDAV:
            steps.run(f"{name} does not apply: {PYTHON_CALDAV[name]}", expect, f"it is {outcome} now: {why}", outcome == "skipped")
        else:
            steps.run(name, expect, f"{outcome}: {why}", outcome == "passed")
            passed += outcome == "passed"
    steps.run(f"{passed} tests passed", expect, f"fewer than {TESTS_AT_LEAST}", passed >= TESTS_AT_LEAST)
    missing = sorted(set(PYTHON_CALDAV) - set(cases))
    steps.run("all listed tests are there", expect, f"not seen: {missing}", not missing)


def library(options, folder):
    """Runs them and answers outcome and reason by the name of the test."""
    expect(f"{SOURCES} is not there: run tests/install", (SOURCES / "tests" / "test_caldav.py").is_file())
    everyone = accounts(options)
    # What the library is told of the server; what is not named it takes for supported or leaves out.
    told = {"scheduling.schedule-tag": "full", "scheduling.freebusy-query": "full"}
    told |= {name: support for name, (support, _) in TESTER.items() if support == "unsupported"}
    server = {"type": "external", "enabled": True, **everyone[0], "scheduling_users": everyone, "features": {name: {"support": support} for name, support in told.items()}}
    servers = {"radicale": {"type": "embedded", "enabled": False}, "xandikos": {"type": "embedded", "enabled": False}, "kontor": server}
    settings = folder / ".config" / "caldav"
    settings.mkdir(parents=True)
    (settings / "test_servers.json").write_text(json.dumps({"test-servers": servers}))
    (folder / "pytest.ini").write_text("[pytest]\n")
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(folder / "pytest.ini"), "--rootdir", str(SOURCES), "-p", "no:cacheprovider"]
    # testCheckCompatibility runs caldav-server-tester, which ran above.
    command += ["--junitxml", str(report), "-k", "ForServerkontor and not testCheckCompatibility", str(SOURCES / "tests" / "test_caldav.py")]
    ended = run(command, SOURCES, environment(folder, PYTHON_CALDAV_TEST_DOCKER="0"))
    # 1: some failed, which the report says better.
    expect(f"pytest ended with {ended.returncode}: {(ended.stdout + ended.stderr)[-1500:]}", ended.returncode in (0, 1))
    cases = {}
    for case in ElementTree.parse(report).iter("testcase"):
        outcome = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        # A test that fails can have a second entry for its end; the worse one counts.
        if outcome is not None:
            cases[case.get("name")] = (outcome.tag, (outcome.get("message") or "")[:300])
        else:
            cases.setdefault(case.get("name"), ("passed", ""))
    return cases


def run(command, folder, environ):
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=SECONDS, preexec_fn=end_with_parent)


if __name__ == "__main__":
    sys.exit(main())
