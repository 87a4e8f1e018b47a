"""A mail server for tests: keeps what it takes in a log, and refuses by rules. Started by services/testbed/src/smtp.rs.

smtp_server.py FOLDER [USER:SECRET]

It prints its port. FOLDER/log gets a line of JSON for each message before the 250: from, to, id (Message-ID) and data. FOLDER/rules, when it is there, has a line
of JSON for each rule: stage ("mail", "rcpt" or "data"), match (a pattern on the recipient, or the sender for "mail"), reply, times (how often; without it always),
delay (seconds before the answer). It is read again when it changes. FOLDER/tries gets a line for each RCPT: the recipient, a space and the time.
"""

import asyncio
import email.parser
import json
import os
import re
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult


class Keeper:
    def __init__(self, folder):
        self.folder = folder
        self.log = open(os.path.join(folder, "log"), "a", buffering=1)
        self.tries = open(os.path.join(folder, "tries"), "a", buffering=1)
        self.stamp = None
        self.rules = []

    def read_rules(self):
        path = os.path.join(self.folder, "rules")
        try:
            stamp = os.stat(path).st_mtime_ns
        except FileNotFoundError:
            stamp = None
        if stamp != self.stamp:
            self.stamp = stamp
            self.rules = []
            if stamp is not None:
                with open(path) as lines:
                    self.rules = [json.loads(line) for line in lines if line.strip()]

    async def refusal(self, stage, text):
        self.read_rules()
        for rule in self.rules:
            if rule["stage"] != stage or not re.search(rule["match"], text):
                continue
            if "times" in rule:
                if rule["times"] <= 0:
                    continue
                rule["times"] -= 1
            if "delay" in rule:
                await asyncio.sleep(rule["delay"])
            if "reply" in rule:
                return rule["reply"]
        return None

    async def handle_MAIL(self, server, session, envelope, address, options):
        refused = await self.refusal("mail", address)
        if refused:
            return refused
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.tries.write(f"{address} {time.time()}\n")
        refused = await self.refusal("rcpt", address)
        if refused:
            return refused
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        to = envelope.rcpt_tos[0]
        refused = await self.refusal("data", to)
        if refused:
            return refused
        data = envelope.content.decode("utf-8", "replace")
        head = email.parser.HeaderParser().parsestr(data, headersonly=True)
        line = {"from": envelope.mail_from, "to": to, "id": head["Message-ID"], "data": data}
        self.log.write(json.dumps(line) + "\n")
        return "250 2.0.0 kept"


async def main():
    keeper = Keeper(sys.argv[1])
    options = {}
    if len(sys.argv) > 2:
        user, secret = sys.argv[2].split(":", 1)

        def check(server, session, envelope, mechanism, data):
            good = data.login.decode() == user and data.password.decode() == secret
            # Not handled: the server says 535 itself.
            return AuthResult(success=good, handled=good)

        options = {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(keeper, loop=loop, hostname="mail.example.com", **options), "127.0.0.1", 0, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with the test that started it.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
