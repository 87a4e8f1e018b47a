"""Marionette, the remote control that is built into Thunderbird: its TCP protocol, the few commands that we need.

Called by thunderbird.py. A message is `LENGTH:JSON`; a command is [0, id, name, parameters], its answer [1, id, error, result].
"""

import contextlib
import json
import socket
import time

MESSAGE_LIMIT = 64 * 1024 * 1024


class MarionetteError(Exception):
    """The browser refused a command, or the connection broke."""


class Marionette:
    """One connection, one session, in the chrome context (the program itself, not a page in it)."""

    def __init__(self, port, connect_seconds=60):
        self._buffer = b""
        self._last_id = 0
        self._socket = self._connect(port, connect_seconds)
        hello = self._receive(connect_seconds)
        if hello.get("marionetteProtocol") != 3:
            raise MarionetteError(f"unknown marionette protocol: {hello}")

    def start_session(self, script_seconds):
        """Opens the session. A script that takes longer than `script_seconds` is ended by Thunderbird."""
        # "ignore": our own watcher in thunderbird.js answers the dialogs.
        capabilities = {"alwaysMatch": {"unhandledPromptBehavior": "ignore"}}
        self.command("WebDriver:NewSession", {"capabilities": capabilities})
        self.command("WebDriver:SetTimeouts", {"script": int(script_seconds * 1000)})
        self.command("Marionette:SetContext", {"value": "chrome"})
        self._script_seconds = script_seconds

    def run(self, script, *arguments):
        """Runs a script in the main window; what it passes to its last argument (a function) is the result."""
        answer = self.command(
            "WebDriver:ExecuteAsyncScript",
            {"script": script, "args": list(arguments), "sandbox": "system", "newSandbox": False},
            seconds=self._script_seconds + 15,
        )
        return answer.get("value")

    def quit(self):
        """Asks the program to end; the answer can get lost in its end."""
        with contextlib.suppress(MarionetteError, OSError):
            self.command("Marionette:Quit", {"flags": ["eAttemptQuit"]}, seconds=30)
        self.close()

    def close(self):
        self._socket.close()

    def command(self, name, parameters=None, seconds=60):
        """Sends one command and waits for its answer, `seconds` at most."""
        self._last_id += 1
        text = json.dumps([0, self._last_id, name, parameters or {}]).encode()
        self._socket.settimeout(seconds)
        self._socket.sendall(str(len(text)).encode() + b":" + text)
        deadline = time.monotonic() + seconds
        while True:
            message = self._receive(max(0.1, deadline - time.monotonic()))
            # An answer to a command that was given up before its answer came is dropped.
            if message[0] != 1 or message[1] != self._last_id:
                continue
            if message[2]:
                raise MarionetteError(f"{name}: {message[2].get('error')}: {message[2].get('message')}")
            return message[3] or {}

    def _connect(self, port, seconds):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=5)
            except OSError as problem:
                if time.monotonic() > deadline:
                    raise MarionetteError(f"no marionette on port {port}: {problem}") from problem
                time.sleep(0.2)

    def _receive(self, seconds):
        deadline = time.monotonic() + seconds
        while b":" not in self._buffer[:20]:
            self._fill(deadline)
        head, _, self._buffer = self._buffer.partition(b":")
        length = int(head)
        if length > MESSAGE_LIMIT:
            raise MarionetteError(f"message of {length} bytes is over {MESSAGE_LIMIT}")
        while len(self._buffer) < length:
            self._fill(deadline)
        text, self._buffer = self._buffer[:length], self._buffer[length:]
        return json.loads(text)

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise MarionetteError("no answer from thunderbird in time")
        self._socket.settimeout(left)
        try:
            piece = self._socket.recv(1 << 16)
        except TimeoutError as problem:
            raise MarionetteError("no answer from thunderbird in time") from problem
        if not piece:
            raise MarionetteError("thunderbird closed the connection")
        self._buffer += piece
