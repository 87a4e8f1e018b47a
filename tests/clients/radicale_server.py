"""Radicale, a known good CalDAV and CardDAV server, to prove the scenarios themselves (`--radicale` of the runners).

Called by the runners when no `--url` is given.
"""

import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import bcrypt

from steps import end_with_parent


class Radicale:
    """A server on a free port of 127.0.0.1 with one user. Use it with `with`."""

    def __init__(self, user="sales", password="demo"):
        self.user, self.password = user, password
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kontor-radicale-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self._write_config(port)

    def __enter__(self):
        with (self.folder / "radicale.log").open("wb") as log:
            command = [sys.executable, "-m", "radicale", "--config", str(self.folder / "config")]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent
            )
        deadline = time.monotonic() + 30
        port = int(self.url.rsplit(":", 1)[1].strip("/"))
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return self
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.__exit__()
                    raise
                time.sleep(0.1)

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write_config(self, port):
        secret = bcrypt.hashpw(self.password.encode(), bcrypt.gensalt(4)).decode()
        (self.folder / "users").write_text(f"{self.user}:{secret}\n")
        (self.folder / "config").write_text(
            f"[server]\nhosts = 127.0.0.1:{port}\nmax_connections = 64\n"
            f"[auth]\ntype = htpasswd\nhtpasswd_filename = {self.folder}/users\nhtpasswd_encryption = bcrypt\ndelay = 0\n"
            f"[storage]\nfilesystem_folder = {self.folder}/data\n"
            "[logging]\nlevel = info\n"
        )
