// Invitations inside Thunderbird: what its invitation bar, its views and its event window do, through the same transactions.
// Loaded by thunderbird.py behind thunderbird.js, in one scope with it.

const { CalAttendee } = ChromeUtils.importESModule("resource:///modules/CalAttendee.sys.mjs");

// Messages go without being asked about; with a scheduling server Thunderbird itself sends none.
const AUTO = { responseMode: Ci.calIItipItem.AUTO };

Object.assign(kontor, {
  // What a calendar knows about invitations: who its user is, and who sends.
  async scheduling(calendarId) {
    const calendar = calendarOf(calendarId);
    return {
      address: calendar.getProperty("organizerId"),
      byServer: calendar.getProperty("capabilities.autoschedule.supported"),
      scheduling: !!cal.itip.isSchedulingCalendar(calendar),
      notifies: calendar.canNotify?.("REQUEST", null) ?? calendar.wrappedJSObject.mUncachedCalendar.wrappedJSObject.canNotify("REQUEST"),
    };
  },

  // Saves a new event with guests (addresses), as the event window does.
  async invite(calendarId, text, guests) {
    const calendar = calendarOf(calendarId);
    const item = parseItem(text);
    item.calendar = calendar;
    item.organizer = cal.itip.createOrganizer(calendar);
    for (const address of guests) {
      const guest = new CalAttendee();
      guest.id = `mailto:${address}`;
      guest.role = "REQ-PARTICIPANT";
      guest.participationStatus = "NEEDS-ACTION";
      guest.rsvp = "TRUE";
      item.addAttendee(guest);
    }
    item.setProperty("X-MOZ-SEND-INVITATIONS", "TRUE");
    await withTimeout(window.doTransaction("add", item, calendar, null, null, AUTO), "invitation");
    return true;
  },

  async meeting(calendarId, uid) {
    const item = await calendarOf(calendarId).getItem(uid);
    return item ? meetingFacts(item) : null;
  },

  // Answers a meeting, or one instance of it (its local start), as the buttons of the invitation do.
  async respond(calendarId, uid, status, recurrence = null) {
    const calendar = calendarOf(calendarId);
    const parent = await calendar.getItem(uid);
    const old = recurrence
      ? parent.recurrenceInfo.getOccurrenceFor(local(recurrence, parent.startDate.timezone))
      : parent;
    const guest = cal.itip.getInvitedAttendee(old, calendar);
    if (!guest) {
      throw new Error(`nobody is invited to ${uid}`);
    }
    const item = old.clone();
    const answer = guest.clone();
    answer.participationStatus = status;
    item.removeAttendee(guest);
    item.addAttendee(answer);
    await withTimeout(window.doTransaction("modify", item, calendar, old, null, AUTO), "answer");
    return true;
  },

  // Changes a meeting, or one instance of it, as dragging it in the view does: with the SEQUENCE that Thunderbird gives.
  async moveMeeting(calendarId, uid, changes, recurrence = null) {
    const calendar = calendarOf(calendarId);
    const parent = await calendar.getItem(uid);
    const old = recurrence
      ? parent.recurrenceInfo.getOccurrenceFor(local(recurrence, parent.startDate.timezone))
      : parent;
    const item = applyChanges(old.clone(), changes);
    await withTimeout(window.doTransaction("modify", item, calendar, old, null, AUTO), "move");
    return true;
  },

  // Deletes a meeting: the organizer cancels it, a guest declines it.
  async deleteMeeting(calendarId, uid) {
    const calendar = calendarOf(calendarId);
    const item = await calendar.getItem(uid);
    await withTimeout(window.doTransaction("delete", item, calendar, null, null, AUTO), "removal");
    return true;
  },
});

function meetingFacts(item) {
  const answers = it => Object.fromEntries(it.getAttendees().map(a => [a.id.replace(/^mailto:/i, ""), a.participationStatus]));
  const info = item.recurrenceInfo;
  return {
    title: item.title,
    start: stamp(item.startDate),
    status: item.status,
    sequence: item.getProperty("SEQUENCE") ?? "0",
    organizer: item.organizer?.id.replace(/^mailto:/i, "") ?? null,
    answers: answers(item),
    invitation: cal.itip.isInvitation(item),
    open: cal.itip.isOpenInvitation(item),
    exceptions: (info?.getExceptionIds() ?? []).map(id => {
      const exception = info.getExceptionFor(id);
      return { id: stamp(id), start: stamp(exception.startDate), answers: answers(exception) };
    }),
  };
}
