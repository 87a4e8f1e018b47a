#!/usr/bin/env python3
"""Makes the posts of this folder with the vendors' own SDKs: pip install twilio plivo vonage-jwt, then run it here.

Each good post is checked with the SDK that made it, and each bad one is refused by it where it has a check of its own.
The time in all of them is 2026-11-23T09:00:00Z, when the tests' clock begins.
"""
import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from urllib.parse import parse_qs, urlencode

import jwt
from plivo.utils.signature_v3 import construct_post_url, get_signature_v3, validate_v3_signature
from twilio.request_validator import RequestValidator
from vonage_jwt import verify_signature

BASE = datetime(2026, 11, 23, 9, 0, 0, tzinfo=timezone.utc)
ANNA, OFFICE = "+32475123456", "+3225550000"


def at(seconds):
    return BASE + timedelta(seconds=seconds)


def write(provider, secret, public_url, posts):
    with open(f"{provider}.json", "w", encoding="utf-8") as file:
        whole = {"provider": provider, "secret": secret, "public_url": public_url, "posts": posts}
        json.dump(whole, file, indent=1, ensure_ascii=False)
        file.write("\n")


def post(name, headers, body, query="", refused=""):
    return {"name": name, "headers": headers, "query": query, "body": body, "refused": refused}


def fields_of(body):
    return parse_qs(body, keep_blank_values=True)


class Many(dict):
    """Fields with all their values, as Twilio's validator asks a web framework for them."""

    def getlist(self, name):
        return self[name]


def twilio():
    token, url = "12345678901234567890123456789012", "https://crm.example.com/telephony/twilio/events"
    validator = RequestValidator(token)
    form = "application/x-www-form-urlencoded; charset=UTF-8"

    def one(name, body, query="", signed_url=None, algorithm=None, json_body=False, refused="", **changed):
        whole = url + ("?" + query if query else "")
        params = {} if json_body else Many(fields_of(body))
        by = RequestValidator(changed.get("token", token))
        signature = by.compute_signature(signed_url or whole, params, algorithm)
        sent = changed.get("sent", body)
        sent_query = changed.get("sent_query", query)
        headers = {"content-type": "application/json" if json_body else form, "x-twilio-signature": signature}
        if algorithm:
            headers["x-twilio-webhooks-signature-settings"] = f"key=webhooks_sharedkey_1,algorithm={algorithm}"
        sent_url = url + ("?" + sent_query if sent_query else "")
        good = validator.validate(sent_url, sent if json_body else Many(fields_of(sent)), signature, algorithm)
        assert good == (not refused), name
        return post(name, headers, sent, sent_query, refused)

    def call(status, seconds, **more):
        fields = {
            "AccountSid": "AC" + "0" * 32,
            "ApiVersion": "2010-04-01",
            "CallSid": "CA" + "a" * 32,
            "CallStatus": status,
            "CallbackSource": "call-progress-events",
            "Called": OFFICE,
            "Caller": ANNA,
            "Direction": "inbound",
            "From": ANNA,
            "To": OFFICE,
            "FromCity": "",
            "FromCountry": "BE",
            "SequenceNumber": "0",
            "Timestamp": format_datetime(at(seconds)),
        }
        fields.update(more)
        return urlencode({name: value for name, value in fields.items() if value is not None})

    def leg(status, seconds, user="client:101", sid="b", **more):
        parent = {"CallSid": "CA" + sid * 32, "ParentCallSid": "CA" + "a" * 32, "Direction": "outbound-dial"}
        return call(status, seconds, **parent, **{"To": user, "Called": user, **more})

    posts = [
        one("call ringing", call("ringing", 5, CallerName="PEETERS ANNA & CO", Timestamp=None)),
        one("leg initiated", leg("initiated", 8)),
        one("leg ringing", leg("ringing", 10)),
        one("leg answered", leg("in-progress", 15)),
        one("other leg cancelled", leg("canceled", 15, "sip:102@pbx.example.com", "c")),
        one("leg completed", leg("completed", 59, CallDuration="44", Duration="1")),
        one("call completed", call("completed", 60, CallDuration="52", Duration="1")),
    ]
    other = {"CallSid": "CA" + "d" * 32}
    posts += [
        one("signed with the port", call("ringing", 20, **other), signed_url=url.replace(".com", ".com:443")),
        one("query", call("ringing", 20, **other), query="site=h%C3%B4tel&n=1"),
        one("sha-256", call("ringing", 20, **other), algorithm="HMAC_SHA256"),
        one("odd fields", call("ringing", 20, **other) + "&Z=2&Z=1&Z=1&%C3%A9=%F0%9F%93%9E+x&empty=&Plus=%2B+%2B"),
    ]
    body = json.dumps({"CallSid": "CA" + "e" * 32, "CallStatus": "busy", "Direction": "outbound-api", "From": OFFICE,
                       "To": ANNA, "Timestamp": "2026-11-23T09:00:30Z"})
    digest = "bodySHA256=" + hashlib.sha256(body.encode()).hexdigest()
    posts.append(one("json", body, query=digest, json_body=True))
    wrong = "WRONG_SIGNATURE"
    ringing = call("ringing", 20, **other)
    posts += [
        one("changed body", ringing, sent=ringing.replace("ringing", "completed"), refused=wrong),
        one("field added", ringing, sent=ringing + "&To2=1", refused=wrong),
        one("changed query", ringing, query="site=1", sent_query="site=2", refused=wrong),
        one("another token", ringing, token="another token of the same length", refused=wrong),
        one("another address", ringing, signed_url="https://other.example.com/telephony/twilio/events", refused=wrong),
        one("changed json", body, query=digest, json_body=True, sent=body.replace("busy", "failed"), refused=wrong),
        post("unsigned", {"content-type": form}, ringing, refused="UNSIGNED"),
        post("signature of rubbish", {"content-type": form, "x-twilio-signature": "é\u0001"}, ringing, refused=wrong),
    ]
    write("twilio", token, url, posts)


def plivo():
    token, url = "MjE0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAx", "https://crm.example.com/telephony/plivo/events"

    def one(name, fields, query="", nonce="12345678901234567890", refused="", more="", **changed):
        whole = url + ("?" + query if query else "")
        params = {key: value if len(value) > 1 else value[0] for key, value in fields_of(urlencode(fields, True)).items()}
        base = construct_post_url(whole, params).decode()
        signature = get_signature_v3(changed.get("token", token).encode(), base, nonce).decode()
        sent = {**params, **changed.get("sent", {})}
        sent_nonce = changed.get("sent_nonce", nonce)
        good = validate_v3_signature("POST", whole, sent_nonce, token, more + signature, dict(sent))
        assert good == (not refused), name
        headers = {"content-type": "application/x-www-form-urlencoded", "x-plivo-signature-v3": more + signature,
                   "x-plivo-signature-v3-nonce": sent_nonce}
        return post(name, headers, urlencode(sent, True), query, refused)

    def call(status, **more):
        return {"CallUUID": "11111111-aaaa", "From": ANNA[1:], "To": OFFICE[1:], "Direction": "inbound", "CallStatus": status,
                "CallerName": ANNA[1:], "ParentAuthID": "MA0", **more}

    def leg(action, **more):
        return {"DialBLegUUID": "22222222-bbbb", "DialALegUUID": "11111111-aaaa", "CallUUID": "11111111-aaaa",
                "DialAction": action, "DialBLegFrom": ANNA[1:], "DialBLegTo": "sip:101@phone.plivo.com",
                "DialBLegHangupCause": "", "DialBLegDuration": "0", "Event": "Dial", **more}

    def text(seconds):
        return at(seconds).strftime("%Y-%m-%d %H:%M:%S")

    ended = call("completed", Event="Hangup", StartTime=text(5), AnswerTime=text(6), EndTime=text(60), Duration="54",
                 BillDuration="60", HangupCause="NORMAL_CLEARING", TotalCost="0.00500")
    posts = [
        one("call ringing", call("ringing", Event="StartApp", StartTime=text(5))),
        one("leg ringing", leg("ringing")),
        one("leg answered", leg("answer")),
        one("leg hung up", leg("hangup", DialBLegDuration="44", DialBLegHangupCause="NORMAL_CLEARING")),
        one("call completed", ended),
    ]
    busy = {"CallUUID": "33333333-cccc", "From": OFFICE[1:], "To": ANNA[1:], "Direction": "outbound", "CallStatus": "busy",
            "Event": "Hangup", "EndTime": text(20), "HangupCause": "USER_BUSY", "Duration": "0"}
    posts += [
        one("busy", busy),
        one("query", busy, query="b=2&a=1&a=0&empty="),
        one("two signatures", busy, more="bm90IHRoaXMgb25lLCBpdCBpcyBmb3IgYW5vdGhlciBrZXk=,"),
        one("odd fields", {**busy, "Z": ["2", "1"], "é": "📞 x", "Plus": "+ +"}),
    ]
    wrong = "WRONG_SIGNATURE"
    posts += [
        one("changed body", busy, sent={"CallStatus": "failed"}, refused=wrong),
        one("changed nonce", busy, sent_nonce="2", refused=wrong),
        one("another token", busy, token="another token", refused=wrong),
        post("unsigned", {"content-type": "application/x-www-form-urlencoded"}, urlencode(busy), refused="UNSIGNED"),
    ]
    write("plivo", token, url, posts)


def vonage():
    secret = "a-signature-secret-of-this-account"
    numbers = iter(range(1, 1000))

    def one(name, event, refused="", headers=None, key=secret, algorithm="HS256", **claims):
        body = json.dumps(event)
        whole = {"iss": "Vonage", "iat": int(BASE.timestamp()), "jti": f"00000000-{next(numbers):04}", "api_key": "abcd1234",
                 "application_id": "aaaaaaaa-bbbb", "payload_hash": hashlib.sha256(body.encode()).hexdigest(), **claims}
        whole = {claim: value for claim, value in whole.items() if value is not None}
        token = jwt.encode(whole, key, algorithm=algorithm)
        if algorithm == "HS256" and not claims:
            # the SDK looks at the machine's clock as well, and here it is another day
            assert verify_signature(jwt.encode({**whole, "iat": 0}, key, algorithm=algorithm), secret) == (key == secret), name
        return post(name, headers or {"content-type": "application/json", "authorization": f"Bearer {token}"}, body, "", refused)

    def event(status, seconds, **more):
        stamp = at(seconds).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return {"from": ANNA[1:], "to": OFFICE[1:], "uuid": "aaaa0001", "conversation_uuid": "CON-aaaa0000", "status": status,
                "direction": "inbound", "timestamp": stamp, **more}

    def leg(status, seconds, **more):
        return event(status, seconds, uuid="bbbb0002", direction="outbound", to="sip:101@pbx.example.com", **more)

    def over(begin, end):
        form = "%Y-%m-%dT%H:%M:%S.000Z"
        return {"start_time": at(begin).strftime(form), "end_time": at(end).strftime(form), "duration": str(end - begin),
                "rate": "0.00450000", "price": "0.00660000", "network": "20601"}

    posts = [
        one("call ringing", event("ringing", 5)),
        one("call started", event("started", 5)),
        one("call answered", event("answered", 6, start_time=None, rate=None, network=None)),
        one("leg ringing", leg("ringing", 10)),
        one("leg started", leg("started", 10)),
        one("leg answered", leg("answered", 15, start_time=None)),
        one("leg completed", leg("completed", 59, **over(15, 59))),
        one("call completed", event("completed", 60, **over(6, 60))),
        one("recording", {"conversation_uuid": "CON-aaaa0000", "recording_uuid": "r", "size": 1, "timestamp": "2026-11-23T09:01:00Z"}),
        one("nested", {**event("busy", 20, uuid="c", conversation_uuid="CON-c", direction="outbound", to=ANNA[1:]), "more": {"a": [1, {}]}}),
        one("ten minutes to run", event("started", 5, uuid="d", conversation_uuid="CON-d"), exp=int(BASE.timestamp()) + 600),
    ]
    wrong, begin = "WRONG_SIGNATURE", int(BASE.timestamp())
    ringing = event("ringing", 5, uuid="e", conversation_uuid="CON-e")
    other = hashlib.sha256(b"{}").hexdigest()
    posts += [
        one("another secret", ringing, wrong, key="another-signature-secret-of-an-account"),
        one("no algorithm", ringing, wrong, key=None, algorithm="none"),
        one("another algorithm", ringing, wrong, algorithm="HS512", key=secret * 2),
        one("another body", ringing, wrong, payload_hash=other),
        one("no hash of the body", ringing, wrong, payload_hash=None),
        one("no id", ringing, wrong, jti=None),
        one("too old", ringing, "WRONG_TIME", iat=begin - 301),
        one("from the future", ringing, "WRONG_TIME", iat=begin + 301),
        one("without a time", ringing, "WRONG_TIME", iat=None),
        one("expired", ringing, "WRONG_TIME", exp=begin - 301),
        one("unsigned", ringing, "UNSIGNED", headers={"content-type": "application/json"}),
        one("basic", ringing, "UNSIGNED", headers={"authorization": "Basic YTpi"}),
        one("rubbish", ringing, wrong, headers={"authorization": "Bearer a.b"}),
        one("four parts", ringing, wrong, headers={"authorization": "Bearer a.b.c.d"}),
    ]
    write("vonage", secret, "", posts)


twilio()
plivo()
vonage()
