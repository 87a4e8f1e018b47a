"""Cards between Thunderbird and the server: both ways, photo and several phones, unknown properties, many.

Called by run_thunderbird.py.
"""

import samples
from dav import unfold
from steps import expect, expect_equal, wait_for

MANY = 60
PHONES = ("+49 30 1234567", "+49 171 2345678", "+49 89 3456789", "+49 30 1234599")


class ContactScenario:
    """`main` is the Scenario; `book` is Thunderbird's facts of the address book to write in."""

    def __init__(self, main, book):
        self.main = main
        self.dav, self.thunderbird = main.dav, main.thunderbird
        self.id, self.href = book["id"], "/" + book["url"].split("://", 1)[1].split("/", 1)[1]

    def run(self):
        step = self.main.steps.run
        step("card: created with photo and four phones, changed, deleted in thunderbird", self.card_from_thunderbird)
        step("card: created with photo and four phones, changed, deleted at the server", self.card_from_server)
        step("card: version 4.0 from the server", self.card_version_four)
        step("card: unknown properties survive a change in thunderbird", self.survival)
        step(f"{MANY} cards at once from the server, and their removal", self.many_from_server)
        step(f"{MANY} cards at once from thunderbird", self.many_from_thunderbird)

    def card_from_thunderbird(self):
        uid = samples.new_uid()
        self.thunderbird.call("addCards", self.id, [samples.card(uid, "Grace Hopper", PHONES, photo=True, version="4.0")])
        served = self.served(uid)
        for part in ("FN:Grace Hopper", samples.photo_text(), *PHONES):
            expect(f"the server lacks {part[:60]}: {served[:400]}", part in served)
        self.wait_idle(uid)
        changed = ("+49 30 7654321", *PHONES[1:])
        self.thunderbird.call("changeCard", self.id, uid, {"fn": "Rear Admiral Hopper", "phones": changed})
        wait_for("the new phone at the server", lambda: changed[0] in self.text(uid))
        served = self.served(uid)
        for part in ("FN:Rear Admiral Hopper", samples.photo_text(), *changed):
            expect(f"the server lacks {part[:60]}: {served[:400]}", part in served)
        expect("the old phone is still at the server", PHONES[0] not in served)
        self.wait_idle(uid)
        self.thunderbird.call("deleteCard", self.id, uid)
        wait_for("the removal at the server", lambda: self.dav.get(self.object(uid)) is None)

    def card_from_server(self):
        uid = samples.new_uid()
        self.dav.put(self.object(uid), samples.card(uid, "Ada Lovelace", PHONES, photo=True))
        seen = self.see(uid, lambda card: card)
        expect_equal("name and phones", (seen["name"], seen["phones"]), ("Ada Lovelace", list(PHONES)))
        expect("the photo is not shown", seen["photo"])
        changed = (*PHONES[:3], "+49 40 9876543")
        self.dav.put(self.object(uid), samples.card(uid, "Ada King", changed, photo=True))
        seen = self.see(uid, lambda card: card and card["name"] == "Ada King")
        expect_equal("phones", seen["phones"], list(changed))
        self.dav.delete(self.object(uid))
        self.see_gone([uid])

    def card_version_four(self):
        uid = samples.new_uid()
        self.dav.put(self.object(uid), samples.card(uid, "Emmy Noether", PHONES[:2], photo=True, version="4.0"))
        seen = self.see(uid, lambda card: card)
        expect_equal(
            "name, phones, photo", (seen["name"], seen["phones"], seen["photo"]), ("Emmy Noether", list(PHONES[:2]), True)
        )

    def survival(self):
        uid = samples.new_uid()
        extra = "X-KONTOR-DEAL;X-KIND=big:opportunities/42\nitem1.X-ABLABEL:Yacht\n"
        self.dav.put(self.object(uid), samples.card(uid, "Alan Turing", PHONES[:1], extra=extra))
        self.see(uid, lambda card: card)
        self.thunderbird.call("changeCard", self.id, uid, {"phones": ["+49 30 1111111"]})
        wait_for("the new phone at the server", lambda: "+49 30 1111111" in self.text(uid))
        served = self.text(uid).upper()
        for line in ("X-KONTOR-DEAL;X-KIND=BIG:OPPORTUNITIES/42", "ITEM1.X-ABLABEL:YACHT"):
            expect(f"the server lacks {line}: {served}", line in served)

    def many_from_server(self):
        uids = [samples.new_uid() for _ in range(MANY)]
        for number, uid in enumerate(uids):
            self.dav.put(self.object(uid), samples.card(uid, f"Many Card{number}"))
        wait_for("all cards arrived", lambda: self.sync() and not set(uids) - self.uids())
        for uid in uids:
            self.dav.delete(self.object(uid))
        self.see_gone(uids)

    def many_from_thunderbird(self):
        uids = [samples.new_uid() for _ in range(MANY)]
        self.thunderbird.call("addCards", self.id, [samples.card(u, f"Bulk Card{n}", version="4.0") for n, u in enumerate(uids)])
        hrefs = {self.object(uid) for uid in uids}
        wait_for("all cards at the server", lambda: hrefs <= set(self.dav.listing(self.href)))
        wait_for("all cards were fetched again", lambda: all(c["onServer"] for c in self.main.cards(self.id) if c["uid"] in uids))
        expect_equal("cards in thunderbird", len(set(uids) & self.uids()), MANY)
        for href in hrefs:
            self.dav.delete(href)
        self.see_gone(uids)

    def object(self, uid):
        # Thunderbird names a new card by its UID.
        return f"{self.href}{uid}.vcf"

    def text(self, uid):
        return unfold(self.dav.get(self.object(uid)) or "")

    def served(self, uid):
        """The card's text at the server, which Thunderbird sends in the background."""
        return wait_for(f"card {uid} at the server", lambda: self.text(uid))

    def wait_idle(self, uid):
        """Waits until Thunderbird has fetched again what it sent; a change before that would be overwritten by it."""
        wait_for("thunderbird has stored the answer", lambda: self.card(uid)["onServer"] and not self.busy())

    def busy(self):
        return any(b["syncing"] for b in self.main.books() if b["id"] == self.id)

    def card(self, uid):
        return self.thunderbird.call("card", self.id, uid)

    def see(self, uid, test):
        """Syncs until the card in Thunderbird is as `test` wants it, and answers its facts."""

        def look():
            self.sync()
            card = self.card(uid)
            return card if test(card) else None

        return wait_for(f"card {uid} in thunderbird", look)

    def see_gone(self, uids):
        wait_for("the removal in thunderbird", lambda: self.sync() and not set(uids) & self.uids())

    def uids(self):
        return {card["uid"] for card in self.main.cards(self.id)}

    def sync(self):
        return self.thunderbird.call("syncBook", self.id)
