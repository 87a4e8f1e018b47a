#!/usr/bin/env python3
"""Records calls of a live Asterisk through AMI and ARI at once: record.py CHROOT FOLDER. Needs root and the chroot that chroot.sh makes.
Run by hand; its recordings are tests/fixtures/asterisk/ari, which services/telephony/tests/ari reads."""

import base64, json, os, pathlib, shutil, socket, subprocess, sys, threading, time, urllib.error, urllib.parse, urllib.request

HERE = pathlib.Path(__file__).parent
KINDS = "ApplicationReplaced,BridgeAttendedTransfer,BridgeBlindTransfer,ChannelCreated,ChannelDestroyed,ChannelDialplan,ChannelEnteredBridge,ChannelHangupRequest,ChannelLeftBridge,ChannelStateChange,Dial"


def free(kind):
    with socket.socket(socket.AF_INET, kind) as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


class Office:
    def __init__(self, root):
        self.root, self.folder, self.running = root, f"/record-{os.getpid()}", []
        self.ports = {name: free(socket.SOCK_DGRAM) for name in ("sip", "phone", "busy", "slow", "trunk")}
        self.ports |= {name: free(socket.SOCK_STREAM) for name in ("ami", "http")}
        inside = root / self.folder[1:]
        for part in ("etc", "sipp"):
            (inside / part).mkdir(parents=True)
            for source in (HERE / part).iterdir():
                text = source.read_text().replace("{folder}", self.folder)
                for name, port in self.ports.items():
                    text = text.replace("{%s}" % name, str(port))
                (inside / part / source.name).write_text(text)
        self.run("asterisk", ["/usr/sbin/asterisk", "-f", "-n", "-C", f"{self.folder}/etc/asterisk.conf"])
        for scene, port, ring in (("phone", "phone", 1000), ("phone", "slow", 6000), ("busy", "busy", 0), ("called", "trunk", 0)):
            self.sipp(scene, "-p", str(self.ports[port]), "-d", str(ring))

    def run(self, log, command):
        out = open(self.root / self.folder[1:] / f"{log}.log", "w")
        it = subprocess.Popen(["chroot", self.root, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, "TERM": "dumb"})
        self.running.append(it)
        return it

    def sipp(self, scene, *more):
        return self.run(scene, ["/usr/bin/sipp", "-sf", f"{self.folder}/sipp/{scene}.xml", "-i", "127.0.0.1", "-nostdin", *more])

    def call(self, scene, number):
        self.sipp(scene, f"127.0.0.1:{self.ports['sip']}", "-s", number, "-m", "1", "-p", str(free(socket.SOCK_DGRAM))).wait(30)

    def rest(self, method, path, **query):
        url = f"http://127.0.0.1:{self.ports['http']}/ari/{path}" + ("?" + urllib.parse.urlencode(query) if query else "")
        request = urllib.request.Request(url, method=method, headers={"Authorization": "Basic " + base64.b64encode(b"kontor:s3cret").decode()})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def close(self):
        for it in self.running:
            it.kill()
            it.wait()
        shutil.rmtree(self.root / self.folder[1:])


class Ami:
    def __init__(self, port):
        self.text, self.socket = "", socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=self.read, daemon=True).start()
        self.ask("Login", Username="kontor", Secret="s3cret", Events="on")

    def read(self):
        while data := self.socket.recv(65536):
            self.text += data.decode("utf-8", "replace").replace("\r\n", "\n")

    def ask(self, action, **headers):
        lines = [f"Action: {action}"] + [f"{key}: {value}" for key, value in headers.items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())


class Ari:
    def __init__(self, port):
        self.lines, self.socket = [], socket.create_connection(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        secret = base64.b64encode(b"kontor:s3cret").decode()
        self.socket.sendall((f"GET /ari/events?app=record&subscribeAll=true HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ari\r\nAuthorization: Basic {secret}\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        head = [self.file.readline()]
        while head[-1] not in (b"\r\n", b""):
            head.append(self.file.readline())
        assert b" 101 " in head[0], head
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while first := self.file.read(2):
            size = first[1] & 127
            if size > 125:
                size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
            data = self.file.read(size)
            if first[0] & 15 == 1:
                self.lines.append(data.decode())


def main():
    root, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    office = Office(root)
    try:
        for _ in range(120):
            try:
                if office.rest("GET", "asterisk/info")[0] == 200:
                    break
            except OSError:
                pass
            time.sleep(0.5)
        time.sleep(2)
        ami, ari = Ami(office.ports["ami"]), Ari(office.ports["http"])
        time.sleep(0.5)
        (out / "info.json").write_text(json.dumps(office.rest("GET", "asterisk/info")[1]) + "\n")
        def scene(name, act, listed=False):
            ami_from, ari_from = len(ami.text), len(ari.lines)
            act()
            for _ in range(100):
                time.sleep(0.2)
                if listed and any(len(it["channels"]) > 1 for it in office.rest("GET", "bridges")[1]):
                    for what in ("channels", "bridges"):
                        (out / f"{name}.{what}.json").write_text(json.dumps(office.rest("GET", what)[1]) + "\n")
                    listed = False
                if not office.rest("GET", "channels")[1]:
                    break
            time.sleep(1)
            (out / f"{name}.ami").write_text(ami.text[ami_from:])
            lines = [line for line in ari.lines[ari_from:] if json.loads(line)["type"] in KINDS.split(",")]
            (out / f"{name}.ari").write_text("".join(line.replace("\n", "") + "\n" for line in lines))
            print(name, len(ari.lines) - ari_from, "events of ARI,", len(lines), "kept")

        def later(call, *more):
            threading.Thread(target=call, args=more).start()

        scene("answered", lambda: later(office.call, "caller", "100") or time.sleep(1), True)
        scene("missed", lambda: office.call("impatient", "100"))
        scene("noanswer", lambda: office.call("caller", "103"))
        scene("busy", lambda: office.call("caller", "102"))
        scene("queue_ok", lambda: office.call("caller", "110"))
        scene("queue_abandon", lambda: office.call("caller", "111"))
        originate = dict(Context="internal", Exten="90145559876", Priority=1, Timeout=8000, Async="true", CallerID="Click <90145559876>")
        scene("click", lambda: ami.ask("Originate", ActionID="kontor-1", ChannelId="kontor-1", Channel="PJSIP/101", **originate), True)
        scene("click_busy", lambda: ami.ask("Originate", ActionID="kontor-2", ChannelId="kontor-2", Channel="PJSIP/102", **originate))
        scene("click_nobody", lambda: ami.ask("Originate", ActionID="kontor-3", ChannelId="kontor-3", Channel="PJSIP/999", **originate))
        order = dict(extension="90145559876", context="internal", priority=1, timeout=8, callerId="Click <90145559876>")
        scene("rest", lambda: print(office.rest("POST", "channels", endpoint="PJSIP/101", channelId="kontor-4", **order)))
        scene("rest_busy", lambda: print(office.rest("POST", "channels", endpoint="PJSIP/102", channelId="kontor-5", **order)))
        scene("rest_nobody", lambda: print(office.rest("POST", "channels", endpoint="PJSIP/999", channelId="kontor-6", **order)))
        scene("rest_nowhere", lambda: print(office.rest("POST", "channels", endpoint="PJSIP/101", channelId="kontor-7", **{**order, "context": "nowhere"})))

        def transfer():
            later(office.call, "caller", "100")
            time.sleep(2)
            leg = next(it for it in office.rest("GET", "channels")[1] if it["name"].startswith("PJSIP/101"))
            ami.ask("BlindTransfer", Channel=leg["name"], Context="internal", Exten="102")

        scene("transfer", transfer)
    finally:
        office.close()


main()
