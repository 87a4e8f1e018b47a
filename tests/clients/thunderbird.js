// What the tests do inside Thunderbird, with Thunderbird's own code: find, sync, create, change, delete.
// Loaded by thunderbird.py into the main window as `window.kontor`; each function answers plain JSON facts.

const { cal } = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { CardDAVDirectory } = ChromeUtils.importESModule("resource:///modules/CardDAVDirectory.sys.mjs");
const { CardDAVUtils } = ChromeUtils.importESModule("resource:///modules/CardDAVUtils.sys.mjs");
const { VCardProperties, VCardUtils } = ChromeUtils.importESModule("resource:///modules/VCardUtils.sys.mjs");
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");

const CONFLICT = "chrome://calendar/content/calendar-conflicts-dialog.xhtml";
const ALL = Ci.calICalendar.ITEM_FILTER_ALL_ITEMS;
const SYNC_MILLISECONDS = 40000;

const kontor = {
  dialogs: [],
  conflictAnswer: "cancel",
  foundCalendars: [],
  foundBooks: [],

  async version() {
    return { name: Services.appinfo.name, version: Services.appinfo.version, offline: Services.io.offline };
  },

  // ---- calendars

  async detectCalendars(user, password, location) {
    let found;
    try {
      found = await cal.provider.detection.detect(user, password, location, true, [], {});
    } catch (problem) {
      return { error: problem.name || String(problem), calendars: [] };
    }
    this.foundCalendars = [];
    for (const [provider, calendars] of found) {
      if (provider.type == "caldav") {
        this.foundCalendars.push(...calendars);
      }
    }
    return {
      error: null,
      calendars: this.foundCalendars.map(c => ({
        name: c.name,
        uri: c.uri.spec,
        readOnly: c.readOnly,
        color: c.getProperty("color"),
      })),
    };
  },

  // What the "select calendars" page of Thunderbird's dialog does.
  async addCalendars() {
    const known = new Set(cal.manager.getCalendars().map(c => c.uri.spec));
    for (const calendar of this.foundCalendars) {
      if (!known.has(calendar.uri.spec)) {
        calendar.setProperty("cache.enabled", calendar.getProperty("cache.supported") !== false);
        cal.manager.registerCalendar(calendar);
      }
    }
    return this.calendars();
  },

  async calendars() {
    return cal.manager
      .getCalendars()
      .filter(c => c.type == "caldav")
      .map(c => {
        const inner = c.wrappedJSObject.mUncachedCalendar?.wrappedJSObject;
        return {
          id: c.id,
          name: c.name,
          uri: c.uri.spec,
          readOnly: c.readOnly,
          disabled: !!c.getProperty("disabled"),
          status: c.getProperty("currentStatus"),
          color: c.getProperty("color"),
          checked: !!inner?.mCheckedServerInfo,
          failed: !!inner?.mDisabledByDavError,
          syncCollection: !!inner?.mHasWebdavSyncSupport,
          syncToken: inner?.mWebdavSyncToken ?? null,
          scheduling: !!inner?.mHasAutoScheduling,
          components: inner?.mSupportedItemTypes ?? [],
        };
      });
  },

  async refresh(calendarId) {
    await withTimeout(calendarOf(calendarId).wrappedJSObject.refresh(), "calendar refresh");
    return true;
  },

  // After each write Thunderbird syncs on its own; a test of a conflict must begin after that.
  async settle(calendarId) {
    const calendar = calendarOf(calendarId).wrappedJSObject;
    for (let quiet = 0; quiet < 3; ) {
      await new Promise(resolve => setTimeout(resolve, 60));
      quiet = calendar.mPendingSync ? 0 : quiet + 1;
    }
    return true;
  },

  async removeCalendar(calendarId) {
    cal.manager.unregisterCalendar(calendarOf(calendarId));
    return true;
  },

  async items(calendarId) {
    return (await calendarOf(calendarId).getItemsAsArray(ALL, 0, null, null)).map(itemFacts);
  },

  async item(calendarId, uid) {
    const item = await calendarOf(calendarId).getItem(uid);
    return item ? itemFacts(item) : null;
  },

  // The instances of one item between two local times (20260105T000000), as the calendar view shows them.
  async instances(calendarId, uid, from, to) {
    const filter = ALL | Ci.calICalendar.ITEM_FILTER_CLASS_OCCURRENCES;
    const found = await calendarOf(calendarId).getItemsAsArray(filter, 0, utc(from), utc(to));
    return found
      .filter(i => i.id == uid)
      .map(i => ({ title: i.title, start: stamp(i.startDate), utc: stamp(i.startDate.getInTimezone(cal.dtz.UTC)) }))
      .sort((a, b) => (a.utc < b.utc ? -1 : 1));
  },

  async addItems(calendarId, texts) {
    const calendar = calendarOf(calendarId);
    const items = texts.map(parseItem);
    await Promise.all(items.map(item => calendar.addItem(item)));
    return items.length;
  },

  // changes: { title, start, end, description, completed }; the times keep the time zone that they have.
  async changeItem(calendarId, uid, changes) {
    const calendar = calendarOf(calendarId);
    const old = await calendar.getItem(uid);
    if (!old) {
      throw new Error(`no item ${uid}`);
    }
    await calendar.modifyItem(applyChanges(old.clone(), changes), old);
    return itemFacts(await calendar.getItem(uid));
  },

  // The same without waiting: when the object is gone at the server, Thunderbird never says that it is done.
  async startChange(calendarId, uid, changes) {
    const calendar = calendarOf(calendarId);
    const old = await calendar.getItem(uid);
    calendar.modifyItem(applyChanges(old.clone(), changes), old).catch(console.error);
    return true;
  },

  // Moves one instance (named by its local start) of a repeating event, as dragging it in the view does.
  async moveInstance(calendarId, uid, recurrence, changes) {
    const calendar = calendarOf(calendarId);
    const parent = await calendar.getItem(uid);
    const id = local(recurrence, parent.startDate.timezone);
    const old = parent.recurrenceInfo.getOccurrenceFor(id);
    await calendar.modifyItem(applyChanges(old.clone(), changes), old);
    return itemFacts(await calendar.getItem(uid));
  },

  async deleteItem(calendarId, uid) {
    const calendar = calendarOf(calendarId);
    await calendar.deleteItem(await calendar.getItem(uid));
    return true;
  },

  // ---- address books

  async detectBooks(user, password, location) {
    try {
      this.foundBooks = await CardDAVUtils.detectAddressBooks(user, password, location, false, true);
    } catch (problem) {
      return { error: String(problem), books: [] };
    }
    return { error: null, books: this.foundBooks.map(b => ({ name: b.name, url: b.url.href })) };
  },

  // What the CardDAV dialog of Thunderbird does.
  async addBooks() {
    const known = new Set(carddavBooks().map(b => b._serverURL));
    for (const book of this.foundBooks) {
      if (!known.has(book.url.href)) {
        await book.create();
      }
    }
    return this.books();
  },

  async books() {
    return carddavBooks().map(b => ({
      id: b.UID,
      name: b.dirName,
      url: b._serverURL,
      readOnly: b.readOnly,
      syncToken: b._syncToken,
      syncing: b._syncInProgress,
      cards: b.childCardCount,
    }));
  },

  async syncBook(bookId) {
    const book = bookOf(bookId);
    await withTimeout(until(() => !book._syncInProgress), "address book's running sync");
    await withTimeout(book.syncWithServer(), "address book sync");
    return true;
  },

  async cards(bookId) {
    return bookOf(bookId).childCards.map(cardFacts);
  },

  async card(bookId, uid) {
    const card = bookOf(bookId).childCards.find(c => c.UID == uid);
    return card ? cardFacts(card) : null;
  },

  async addCards(bookId, texts) {
    const book = bookOf(bookId);
    for (const text of texts) {
      book.addCard(VCardUtils.vCardToAbCard(text), false);
    }
    return texts.length;
  },

  // changes: { fn, note, phones: [{ value, type }] }; the rest of the card stays, as in Thunderbird's card editor.
  async changeCard(bookId, uid, changes) {
    const book = bookOf(bookId);
    const card = book.childCards.find(c => c.UID == uid);
    if (!card) {
      throw new Error(`no card ${uid}`);
    }
    const properties = VCardProperties.fromVCard(card.getProperty("_vCard", ""));
    for (const name of ["fn", "note"].filter(n => n in changes)) {
      properties.clearValues(name);
      properties.addValue(name, changes[name]);
    }
    if (changes.phones) {
      properties.getAllEntries("tel").forEach((entry, index) => {
        entry.value = changes.phones[index] ?? entry.value;
      });
    }
    card.setProperty("_vCard", properties.toVCard());
    book.modifyCard(card);
    return true;
  },

  async deleteCard(bookId, uid) {
    const book = bookOf(bookId);
    book.deleteCards(book.childCards.filter(c => c.UID == uid));
    return true;
  },

  // ---- passwords and dialogs

  async logins() {
    return (await Services.logins.getAllLogins()).map(l => ({ origin: l.origin, realm: l.httpRealm, user: l.username }));
  },

  // How the next conflict dialogs are answered: "accept" (overwrite the server) or "cancel" (take the server's).
  async answerConflicts(answer) {
    this.conflictAnswer = answer;
    return true;
  },

  async takeDialogs() {
    return this.dialogs.splice(0);
  },
};

function calendarOf(id) {
  const calendar = cal.manager.getCalendarById(id);
  if (!calendar) {
    throw new Error(`no calendar ${id}`);
  }
  return calendar;
}

function carddavBooks() {
  return MailServices.ab.directories
    .filter(d => d.dirType == Ci.nsIAbManager.CARDDAV_DIRECTORY_TYPE)
    .map(d => CardDAVDirectory.forFile(d.fileName));
}

function bookOf(id) {
  const book = carddavBooks().find(b => b.UID == id);
  if (!book) {
    throw new Error(`no address book ${id}`);
  }
  return book;
}

function parseItem(text) {
  const parser = Cc["@mozilla.org/calendar/ics-parser;1"].createInstance(Ci.calIIcsParser);
  parser.parseString(text);
  const [item] = parser.getItems();
  if (!item) {
    throw new Error("no item in the text");
  }
  return item;
}

function applyChanges(item, changes) {
  for (const [name, value] of Object.entries(changes)) {
    switch (name) {
      case "title":
        item.title = value;
        break;
      case "description":
        item.descriptionText = value;
        break;
      case "start":
        item.startDate = local(value, item.startDate.timezone);
        break;
      case "end":
        item.endDate = local(value, item.endDate.timezone);
        break;
      case "completed":
        item.isCompleted = value;
        break;
      default:
        throw new Error(`unknown change ${name}`);
    }
  }
  return item;
}

function local(text, zone) {
  const time = cal.createDateTime(text);
  time.timezone = zone;
  return time;
}

function utc(text) {
  return local(text, cal.dtz.UTC);
}

function stamp(time) {
  return time ? time.icalString : null;
}

function itemFacts(item) {
  const info = item.recurrenceInfo;
  return {
    uid: item.id,
    kind: item.isTodo() ? "task" : "event",
    title: item.title,
    start: stamp(item.isTodo() ? item.entryDate : item.startDate),
    end: stamp(item.isTodo() ? item.dueDate : item.endDate),
    zone: (item.isTodo() ? item.entryDate : item.startDate)?.timezone.tzid ?? null,
    allDay: !!(item.isTodo() ? item.entryDate : item.startDate)?.isDate,
    completed: item.isTodo() ? item.isCompleted : null,
    alarms: item.getAlarms().length,
    rules: info ? info.getRecurrenceItems().map(r => r.icalString.trim()) : [],
    exceptions: info ? info.getExceptionIds().map(stamp) : [],
    extra: [...item.properties].filter(([name]) => name.startsWith("X-KONTOR")).map(([name, value]) => `${name}:${value}`),
  };
}

function cardFacts(card) {
  const text = card.getProperty("_vCard", "");
  const properties = VCardProperties.fromVCard(text);
  return {
    uid: card.UID,
    name: card.displayName,
    emails: card.emailAddresses,
    phones: properties ? properties.getAllValues("tel") : [],
    photo: !!card.photoURL,
    note: properties?.getFirstValue("note") ?? null,
    onServer: !!card.getProperty("_etag", ""),
    href: card.getProperty("_href", ""),
    text,
  };
}

async function until(test) {
  while (!test()) {
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

async function withTimeout(promise, what) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} did not end in time`)), SYNC_MILLISECONDS));
  return Promise.race([promise, late]);
}

// Every dialog is written down and answered: a person would click, a test must never wait.
function onWindow(opened, topic) {
  if (topic != "domwindowopened") {
    return;
  }
  opened.addEventListener(
    "load",
    () =>
      setTimeout(() => {
        const uri = opened.document.documentURI;
        const dialog = opened.document.querySelector("dialog");
        if (!dialog) {
          return;
        }
        const text = opened.document.getElementById("infoBody")?.textContent ?? "";
        const answer = uri == CONFLICT ? kontor.conflictAnswer : "cancel";
        kontor.dialogs.push({ uri, title: opened.document.title, text, answer, conflict: uri == CONFLICT });
        if (answer == "accept") {
          dialog.acceptDialog();
        } else {
          dialog.cancelDialog();
        }
      }, 100),
    { once: true }
  );
}

if (!window.kontor) {
  Services.ww.registerNotification(onWindow);
  window.kontor = kontor;
}
