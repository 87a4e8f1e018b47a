"""A mail server for tests: keeps what it takes in a log, and refuses by rules. Started by services/testbed/src/smtp.rs.

smtp_server.py FOLDER [USER:SECRET] [--tls implicit|starttls --certificate FILE --key FILE] [--no-pipelining]

It prints its port. FOLDER/log gets a line of JSON for each message before the 250: from, to, id (Message-ID), data, connection (its number), cipher (of
TLS, empty without) and pipelined (the next command was there with MAIL). FOLDER/ends gets the connection of each QUIT. FOLDER/rules, when it is there, has a line
of JSON for each rule: stage ("mail", "rcpt" or "data"), match (a pattern on the recipient, or the sender for "mail"), reply, times (how often; without it always),
delay (seconds before the answer). After a reply to RCPT that ends in "(lax)" DATA is taken all the same, as by some servers. It is read again when it changes. FOLDER/tries gets a line for each RCPT: the recipient, a space and the time.
"""

import argparse
import asyncio
import email.parser
import json
import os
import re
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult


class Keeper:
    def __init__(self, folder, pipelining):
        self.folder = folder
        self.pipelining = pipelining
        self.connections = 0
        self.ends = open(os.path.join(folder, "ends"), "a", buffering=1)
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

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        if not hasattr(session, "number"):
            self.connections += 1
            session.number = self.connections
        # The server reads one line after the other, so it can do it and does not say so.
        return responses[:1] + ["250-PIPELINING"] * self.pipelining + responses[1:]

    async def handle_QUIT(self, server, session, envelope):
        self.ends.write(f"{getattr(session, 'number', 0)}\n")
        return "221 2.0.0 bye"

    async def handle_MAIL(self, server, session, envelope, address, options):
        refused = await self.refusal("mail", address)
        if refused:
            return refused
        session.pipelined = len(server._reader._buffer) > 0
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.tries.write(f"{address} {time.time()}\n")
        refused = await self.refusal("rcpt", address)
        if refused:
            if refused.endswith("(lax)"):
                envelope.rcpt_tos.append(address)
                envelope.nobody = True
            return refused
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if getattr(envelope, "nobody", False) and not envelope.content.strip():
            return "554 5.5.1 no valid recipients"
        to = envelope.rcpt_tos[0]
        refused = await self.refusal("data", to)
        if refused:
            return refused
        data = envelope.content.decode("utf-8", "replace")
        head = email.parser.HeaderParser().parsestr(data, headersonly=True)
        cipher = (server.transport.get_extra_info("cipher") or [""])[0]
        line = {"from": envelope.mail_from, "to": to, "id": head["Message-ID"], "data": data}
        line |= {"connection": session.number, "cipher": cipher, "pipelined": session.pipelined}
        self.log.write(json.dumps(line) + "\n")
        return "250 2.0.0 kept"


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("login", nargs="?")
    parser.add_argument("--tls", choices=["implicit", "starttls"])
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--no-pipelining", action="store_true")
    wanted = parser.parse_intermixed_args()
    keeper = Keeper(wanted.folder, not wanted.no_pipelining)
    options = {}
    if wanted.login:
        user, secret = wanted.login.split(":", 1)

        def check(server, session, envelope, mechanism, data):
            good = data.login.decode() == user and data.password.decode() == secret
            # Not handled: the server says 535 itself.
            return AuthResult(success=good, handled=good)

        options = {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    context = None
    if wanted.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(wanted.certificate, wanted.key)
    if wanted.tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(keeper, loop=loop, hostname="mail.example.com", **options),
        "127.0.0.1",
        0,
        backlog=512,
        ssl=context if wanted.tls == "implicit" else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with the test that started it.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
