"""The other side: plain CalDAV and CardDAV over HTTP, to change and look at the server behind the mail client's back.

Called by the runners. Only the standard library, so that it shares no code with the clients under test.
"""

import base64
import dataclasses
import http.client
import urllib.parse
from xml.etree import ElementTree

from steps import Failed

D = "{DAV:}"
C = "{urn:ietf:params:xml:ns:caldav}"
A = "{urn:ietf:params:xml:ns:carddav}"
NAMESPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="urn:ietf:params:xml:ns:carddav" xmlns:I="http://apple.com/ns/ical/"'
SECONDS = 30


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode("utf-8")


@dataclasses.dataclass
class Collection:
    href: str
    name: str
    kind: str  # "calendar" or "book"
    writable: bool
    components: set


class Dav:
    """One user at one server; `url` is the bare address with its port."""

    def __init__(self, url, user, password):
        parts = urllib.parse.urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.home = {}

    def request(self, method, href, body=None, headers=None):
        """One request on a connection of its own; no redirect is followed."""
        make = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = make(self._host, self._port, timeout=SECONDS)
        try:
            data = body.encode() if isinstance(body, str) else body
            connection.request(method, href, data, {"Authorization": self._authorization, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def collections(self, kind):
        """The user's calendars ("calendar") or address books ("book"), found from the well-known address."""
        names = "<D:resourcetype/><D:displayname/><D:current-user-privilege-set/><C:supported-calendar-component-set/>"
        mark = C + "calendar" if kind == "calendar" else A + "addressbook"
        found = []
        for href, props in self.propfind(self._home(kind), 1, names):
            if D + "resourcetype" not in props or props[D + "resourcetype"].find(mark) is None:
                continue
            privileges = (
                {e.tag for e in props[D + "current-user-privilege-set"].iter()}
                if D + "current-user-privilege-set" in props
                else {D + "write"}
            )
            components = props.get(C + "supported-calendar-component-set")
            found.append(
                Collection(
                    href,
                    (props[D + "displayname"].text or "") if D + "displayname" in props else "",
                    kind,
                    bool(privileges & {D + "write", D + "write-content", D + "all"}),
                    {c.get("name") for c in components} if components is not None else {"VEVENT", "VTODO"},
                )
            )
        return found

    def make_calendar(self, slug, name, color="#1f77b4ff"):
        """MKCALENDAR with name, colour and components; answers the href."""
        href = self._home("calendar").rstrip("/") + f"/{slug}/"
        props = (
            f"<D:displayname>{name}</D:displayname><I:calendar-color>{color}</I:calendar-color>"
            "<C:supported-calendar-component-set>"
            '<C:comp name="VEVENT"/><C:comp name="VTODO"/></C:supported-calendar-component-set>'
        )
        body = f"<C:mkcalendar {NAMESPACES}><D:set><D:prop>{props}</D:prop></D:set></C:mkcalendar>"
        _require(self.request("MKCALENDAR", href, body, {"Content-Type": "application/xml"}), 201, f"MKCALENDAR {href}")
        return href

    def make_book(self, slug, name):
        """Extended MKCOL of an address book; answers the href."""
        href = self._home("book").rstrip("/") + f"/{slug}/"
        props = f"<D:resourcetype><D:collection/><A:addressbook/></D:resourcetype><D:displayname>{name}</D:displayname>"
        body = f"<D:mkcol {NAMESPACES}><D:set><D:prop>{props}</D:prop></D:set></D:mkcol>"
        _require(self.request("MKCOL", href, body, {"Content-Type": "application/xml"}), 201, f"MKCOL {href}")
        return href

    def put(self, href, text, condition=None):
        """Writes one object; `condition` is an If-Match etag, or None to write whatever is there."""
        kind = "text/vcard; charset=utf-8" if text.startswith("BEGIN:VCARD") else "text/calendar; charset=utf-8"
        headers = {"Content-Type": kind, **({"If-Match": condition} if condition else {})}
        answer = self.request("PUT", href, text, headers)
        if answer.status not in (200, 201, 204):
            raise Failed(f"PUT {href} answered {answer.status}: {answer.text[:200]}")
        return answer

    def get(self, href):
        """The text of one object, or None if it is not there."""
        answer = self.request("GET", href)
        if answer.status in (404, 410):
            return None
        return _require(answer, 200, f"GET {href}").text

    def etag(self, href):
        answer = _require(self.request("GET", href), 200, f"GET {href}")
        return answer.headers["etag"]

    def delete(self, href):
        answer = self.request("DELETE", href)
        if answer.status not in (200, 204):
            raise Failed(f"DELETE {href} answered {answer.status}: {answer.text[:200]}")

    def listing(self, collection):
        """Every object of a collection: {href: etag}."""
        found = {}
        for href, props in self.propfind(collection, 1, "<D:getetag/><D:resourcetype/>"):
            kind = props.get(D + "resourcetype")
            if D + "getetag" in props and (kind is None or kind.find(D + "collection") is None):
                found[href] = props[D + "getetag"].text
        return found

    def find(self, collection, uid):
        """The href of the object with this UID, or None. Clients name new objects by the UID, so look there first."""
        hrefs = sorted(self.listing(collection), key=lambda href: uid not in href)
        for href in hrefs[:400]:
            if f"UID:{uid}" in unfold(self.get(href) or ""):
                return href
        return None

    def propfind(self, href, depth, names):
        """PROPFIND; answers [(href, {tag: element})] with the properties that were found (status 200)."""
        body = f"<D:propfind {NAMESPACES}><D:prop>{names}</D:prop></D:propfind>"
        answer = self.request("PROPFIND", href, body, {"Depth": str(depth), "Content-Type": "application/xml"})
        for _ in range(3):
            if answer.status not in (301, 302, 307, 308):
                break
            href = urllib.parse.urlsplit(answer.headers["location"]).path
            answer = self.request("PROPFIND", href, body, {"Depth": str(depth), "Content-Type": "application/xml"})
        _require(answer, 207, f"PROPFIND {href}")
        rows = []
        for response in ElementTree.fromstring(answer.body).findall(D + "response"):
            props = {}
            for part in response.findall(D + "propstat"):
                if " 200" in (part.findtext(D + "status") or ""):
                    props.update({element.tag: element for element in part.find(D + "prop")})
            rows.append((urllib.parse.urlsplit(response.findtext(D + "href").strip()).path, props))
        return rows

    def _home(self, kind):
        if kind not in self.home:
            well_known, tag = (
                ("caldav", C + "calendar-home-set") if kind == "calendar" else ("carddav", A + "addressbook-home-set")
            )
            principal = self._href_of(f"/.well-known/{well_known}", "<D:current-user-principal/>", D + "current-user-principal")
            name = "<C:calendar-home-set/>" if kind == "calendar" else "<A:addressbook-home-set/>"
            self.home[kind] = self._href_of(principal, name, tag)
        return self.home[kind]

    def _href_of(self, href, names, tag):
        for _, props in self.propfind(href, 0, names):
            if tag in props and props[tag].findtext(D + "href"):
                return urllib.parse.urlsplit(props[tag].findtext(D + "href").strip()).path
        raise Failed(f"{href} names no {tag}")


def unfold(text):
    """The logical lines of an iCalendar or vCard text."""
    return text.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "")


def same_path(one, other):
    """Whether two addresses name the same thing, whatever their host and encoding."""
    return urllib.parse.unquote(urllib.parse.urlsplit(one).path).rstrip("/") == urllib.parse.unquote(
        urllib.parse.urlsplit(other).path
    ).rstrip("/")


def _require(answer, status, what):
    if answer.status != status:
        raise Failed(f"{what} answered {answer.status}: {answer.body[:200]!r}")
    return answer
