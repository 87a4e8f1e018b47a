"""A real Thunderbird with a fresh profile and no screen, driven through Marionette.

Called by run_thunderbird.py. `Thunderbird.call("items", id)` runs the function of that name in thunderbird.js.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from marionette import Marionette, MarionetteError
from steps import end_with_parent

HERE = pathlib.Path(__file__).resolve().parent
CALL_SECONDS = 90
START_SECONDS = 90

# Nothing may reach out, ask, or pop up: no updates, no telemetry, no first-run pages, no alarms.
PREFERENCES = {
    "app.donation.eoy.version.viewed": 999,
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "app.update.disabledForTesting": True,
    "app.update.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "calendar.alarms.playsound": False,
    "calendar.alarms.show": False,
    "calendar.loglevel": "Debug",
    "calendar.timezone.local": "Europe/Berlin",
    "calendar.timezone.useSystemTimezone": False,
    "carddav.setup.loglevel": "Debug",
    "carddav.sync.loglevel": "Debug",
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "devtools.console.stdout.chrome": True,
    "extensions.autoDisableScopes": 15,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "mail.inappnotifications.enabled": False,
    "mail.provider.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "mailnews.start_page_override.mstone": "ignore",
    "marionette.port": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.manage-offline-status": False,
    "network.proxy.type": 0,
    "remote.prefs.recommended": True,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "signon.rememberSignons": True,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "",
}

CALL = """
const [name, args, done] = arguments;
window.kontor[name](...args).then(
  value => done({ value }),
  problem => done({ problem: `${problem?.name ?? ""} ${problem?.message ?? problem} ${problem?.result ?? ""}`.trim() })
);
"""
IS_MAIN_WINDOW = """
const kind = document.documentElement.getAttribute("windowtype");
arguments[0](kind == "mail:3pane" && document.readyState == "complete");
"""
LOAD = "const done = arguments[0];\n{source}\ndone(true);"


class ThunderbirdError(Exception):
    """A function inside Thunderbird failed; the text is its own."""


class Thunderbird:
    """Start, restart and stop of one Thunderbird, and calls into it. Use it with `with`."""

    def __init__(self, program=None):
        self.program = program or os.environ.get("KONTOR_THUNDERBIRD") or shutil.which("thunderbird")
        if not self.program:
            raise ThunderbirdError("thunderbird is not installed; run tests/install")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kontor-thunderbird-"))
        self.profile = self.folder / "profile"
        self.log = self.folder / "thunderbird.log"
        self._process = None
        self._marionette = None
        self._write_profile()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts the program and waits until its main window answers."""
        port_file = self.profile / "MarionetteActivePort"
        port_file.unlink(missing_ok=True)
        command = [self.program, "-headless", "-no-remote", "-marionette", "-remote-allow-system-access"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-profile", str(self.profile)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        self._marionette = Marionette(self._wait_for_port(port_file))
        self._marionette.start_session(CALL_SECONDS)
        self._wait_for_window()
        sources = [(HERE / name).read_text(encoding="utf-8") for name in ("thunderbird.js", "thunderbird_meetings.js")]
        self._marionette.run(LOAD.format(source="\n".join(sources)))

    def restart(self):
        """Ends and starts it again on the same profile, as a user does the next morning."""
        self._end()
        self.start()

    def stop(self):
        """Ends what `start` started. The folder stays for the caller, who knows whether the log is needed."""
        self._end()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, name, *arguments):
        """Runs `kontor.NAME(...)` of thunderbird.js and answers its facts."""
        try:
            answer = self._marionette.run(CALL, name, list(arguments))
        except MarionetteError as problem:
            raise ThunderbirdError(f"{name}: {problem}") from problem
        if answer is None or "problem" in answer:
            raise ThunderbirdError(f"{name}: {answer and answer['problem']}")
        return answer.get("value")

    def log_tail(self, lines=80):
        """The end of the log, without the long bodies."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(line[:300] for line in text.splitlines()[-lines:])

    def _write_profile(self):
        self.profile.mkdir(parents=True)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (self.profile / "user.js").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _environment(self):
        # A home of its own, and name look-ups (SRV records) that give up quickly where there is no name server.
        return {
            **os.environ,
            "HOME": str(self.folder),
            "MOZ_HEADLESS": "1",
            "MOZ_CRASHREPORTER_DISABLE": "1",
            "RES_OPTIONS": "timeout:1 attempts:1",
            "TZ": "Europe/Berlin",
        }

    def _wait_for_port(self, port_file):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if port_file.exists() and port_file.read_text().strip():
                return int(port_file.read_text())
            if self._process.poll() is not None:
                raise ThunderbirdError(f"thunderbird ended at start with code {self._process.returncode}: {self.log_tail(10)}")
            time.sleep(0.1)
        raise ThunderbirdError(f"thunderbird opened no marionette port in {START_SECONDS} s: {self.log_tail(10)}")

    def _wait_for_window(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._marionette.run(IS_MAIN_WINDOW):
                return
            time.sleep(0.2)
        raise ThunderbirdError(f"thunderbird showed no main window in {START_SECONDS} s")

    def _end(self):
        if self._marionette:
            self._marionette.quit()
            self._marionette = None
        if not self._process:
            return
        for number, seconds in ((None, 20), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            if number:
                self._signal_group(number)
            try:
                self._process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        self._signal_group(signal.SIGKILL)
        self._process = None

    def _signal_group(self, number):
        # Its own session: the group holds Thunderbird and its helper processes, and nothing else.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
