#!/usr/bin/python3
"""LibreOffice opens a template by its address, locks it, saves it in place and lets it go: rows D14 and L6.

Called by the end-to-end tests and by hand: `/usr/bin/python3 run_office.py --url http://127.0.0.1:8420/ --user sales --password demo`.
Debian's own Python, for LibreOffice's bridge (python3-uno) is made for that one.
"""

import argparse
import base64
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from io import BytesIO

import uno
import unohelper
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.task import XInteractionHandler

from steps import Steps, StopScenario, end_on_signals, end_with_parent, expect

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "services/templating/tests/data/bench.docx"
PATH = "dav/files/templates/Offer by LibreOffice.docx"
SECONDS = 120


class SignIn(unohelper.Base, XInteractionHandler):
    """Gives the password when LibreOffice asks for it."""

    def __init__(self, user, password):
        self.user, self.password = user, password

    def handle(self, request):
        # What is asked can't be read: the bridge of LibreOffice 7.4 fails on it (an exception with `args` of its own).
        for continuation in request.getContinuations():
            if hasattr(continuation, "setUserName"):
                continuation.setUserName(self.user)
                continuation.setPassword(self.password)
                continuation.select()
                return


class Web:
    """Plain requests, as another program sends them."""

    def __init__(self, url, user, password):
        self.url = url
        self.header = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def send(self, method, path, body=None):
        request = urllib.request.Request(self.url + path.replace(" ", "%20"), body, method=method)
        request.add_header("Authorization", self.header)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def text(self):
        """What stands in the document now, as XML."""
        status, body = self.send("GET", PATH)
        expect(f"it is read: {status}", status == 200)
        return zipfile.ZipFile(BytesIO(body)).read("word/document.xml").decode()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--url", required=True, help="the bare address, such as http://127.0.0.1:8420/")
    arguments.add_argument("--user", default="sales")
    arguments.add_argument("--password", default="demo")
    options = arguments.parse_args()
    end_on_signals()
    steps = Steps()
    web = Web(options.url, options.user, options.password)
    folder = tempfile.mkdtemp(prefix="kontor-office-")
    office = None
    try:
        steps.run("a template is put", put, web, needed=True)
        office, desktop = steps.run("LibreOffice runs", start, folder, needed=True)
        sign_in = SignIn(options.user, options.password)
        document = steps.run("it opens the template by its address", load, desktop, options.url, sign_in, needed=True)
        steps.run("others find it locked", locked, web)
        steps.run("it saves in place", save, document, web)
        steps.run("it lets go", close, document, web)
    except StopScenario:
        pass
    finally:
        if office:
            office.kill()
            office.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return steps.finish()


def put(web):
    status, body = web.send("PUT", PATH, TEMPLATE.read_bytes())
    expect(f"{status} {body[:200]}", status in (201, 204))


def start(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    profile = f"-env:UserInstallation=file://{folder}/profile"
    accept = f"--accept=socket,host=127.0.0.1,port={port};urp;"
    # soffice is a script that starts the program: `exec` keeps it one process that can be ended.
    program = pathlib.Path(shutil.which("soffice")).resolve().with_name("soffice.bin")
    command = [program, profile, "--headless", "--norestore", "--nologo", accept]
    # The first start makes the profile and ends with 81: start again.
    office = None
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if office is None or office.poll() is not None:
            office = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=end_with_parent)
        try:
            there = resolver.resolve(f"uno:socket,host=127.0.0.1,port={port};urp;StarOffice.ComponentContext")
            return office, there.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", there)
        except NoConnectException:
            time.sleep(0.2)
    raise TimeoutError("LibreOffice does not answer")


def load(desktop, url, sign_in):
    address = url.replace("http://", "vnd.sun.star.webdav://") + PATH.replace(" ", "%20")
    with_sign_in = PropertyValue("InteractionHandler", 0, sign_in, 0)
    document = desktop.loadComponentFromURL(address, "_blank", 0, (with_sign_in,))
    expect("there is a document", document is not None)
    expect("it may be written", not document.isReadonly())
    expect("its text is there", "partner.name" in document.getText().getString())
    return document


def locked(web):
    status, _ = web.send("PUT", PATH, TEMPLATE.read_bytes())
    expect(f"{status} for who has no lock", status == 423)


def save(document, web):
    text = document.getText()
    text.insertString(text.getEnd(), "Written by LibreOffice", False)
    document.store()
    expect("the server has it", "Written by LibreOffice" in web.text())
    expect("the fields are there still", "partner.name" in web.text())


def close(document, web):
    document.close(True)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        status, _ = web.send("PUT", PATH, TEMPLATE.read_bytes())
        if status == 204:
            return
        expect(f"{status}", status == 423)
        time.sleep(0.2)
    raise TimeoutError("it stays locked")


if __name__ == "__main__":
    sys.exit(main())
