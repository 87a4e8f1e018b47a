"""vdirsyncer, khal and khard with their configuration in a folder of their own.

Called by run_vdirsyncer.py.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from steps import Failed

SECONDS = 180

VDIRSYNCER = """[general]
status_path = "{folder}/status/"

[pair calendars]
a = "calendars_here"
b = "calendars_there"
collections = ["from a", "from b"]
conflict_resolution = {conflict}
metadata = ["displayname", "color"]

[storage calendars_here]
type = "filesystem"
path = "{folder}/calendars/"
fileext = ".ics"

[storage calendars_there]
type = "caldav"
url = "{url}"
username = "{user}"
password = "{password}"

[pair books]
a = "books_here"
b = "books_there"
collections = ["from a", "from b"]
conflict_resolution = {conflict}
metadata = ["displayname"]

[storage books_here]
type = "filesystem"
path = "{folder}/books/"
fileext = ".vcf"

[storage books_there]
type = "carddav"
url = "{url}"
username = "{user}"
password = "{password}"
"""

KHAL = """[calendars]
[[main]]
path = {folder}/calendars/{calendar}
type = calendar
[locale]
local_timezone = Europe/Berlin
default_timezone = Europe/Berlin
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M
[default]
default_calendar = main
[sqlite]
path = {folder}/khal.db
"""

KHARD = """[addressbooks]
[[main]]
path = {folder}/books/{book}
[general]
default_action = list
editor = true
merge_editor = true
[contact table]
show_uids = yes
[vcard]
preferred_version = 3.0
"""


class SyncTools:
    """The three programs, and the folders `calendars` and `books` that vdirsyncer keeps equal to the server."""

    def __init__(self, url, user, password):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kontor-vdirsyncer-"))
        self.log = self.folder / "tools.log"
        self._server = {"url": url, "user": user, "password": password}
        for name in ("calendars", "books", "home"):
            (self.folder / name).mkdir()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def discover(self, create=False):
        """Looks for collections on both sides; makes the missing ones, on either side, only if `create`."""
        self._configure("null")
        # One answer per question; a question too many gets an empty line, which is "no".
        return self._run(
            "vdirsyncer", "-c", str(self.folder / "vdirsyncer"), "discover", answers="y\n" * 40 if create else "n\n" * 40
        )

    def sync(self, *collections, conflict="null", fails=False):
        """Syncs all, or the named collections ("calendars/work"); `fails` says that it must end with an error."""
        self._configure(conflict)
        done = self._run("vdirsyncer", "-c", str(self.folder / "vdirsyncer"), "sync", *collections, check=not fails)
        if fails and done.returncode == 0:
            raise Failed("vdirsyncer ended well where it must not")
        return done.stdout + done.stderr

    def metasync(self):
        self._configure("null")
        return self._run("vdirsyncer", "-c", str(self.folder / "vdirsyncer"), "metasync")

    def khal(self, calendar, *arguments):
        (self.folder / "khal").write_text(KHAL.format(folder=self.folder, calendar=calendar))
        return self._run("khal", "-c", str(self.folder / "khal"), *arguments).stdout

    def khard(self, book, *arguments, answers=None):
        (self.folder / "khard").write_text(KHARD.format(folder=self.folder, book=book))
        return self._run("khard", "-c", str(self.folder / "khard"), *arguments, answers=answers).stdout

    def versions(self):
        return [self._run(name, "--version").stdout.strip() for name in ("vdirsyncer", "khal", "khard")]

    def log_tail(self, lines=60):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def _configure(self, conflict):
        text = VDIRSYNCER.format(folder=self.folder, conflict=conflict, **self._server)
        (self.folder / "vdirsyncer").write_text(text)

    def _run(self, program, *arguments, answers=None, check=True):
        # The programs of the venv that runs us come before the system's.
        beside = pathlib.Path(sys.executable).parent / program
        command = [str(beside) if beside.exists() else program, *arguments]
        home = str(self.folder / "home")
        environment = {
            **os.environ,
            "HOME": home,
            "XDG_CONFIG_HOME": home,
            "XDG_DATA_HOME": home,
            "XDG_CACHE_HOME": home,
            "TZ": "Europe/Berlin",
            "LC_ALL": "C.UTF-8",
        }
        try:
            done = subprocess.run(
                command, input=answers or "", capture_output=True, text=True, timeout=SECONDS, env=environment, check=False
            )
        except subprocess.TimeoutExpired as problem:
            raise Failed(f"{program} did not end in {SECONDS} s") from problem
        with self.log.open("a") as log:
            log.write(f"$ {program} {' '.join(arguments)} -> {done.returncode}\n{done.stdout}{done.stderr}")
        if check and done.returncode != 0:
            raise Failed(f"{program} {arguments[-1]} ended with {done.returncode}: {(done.stdout + done.stderr)[-400:]}")
        return done
