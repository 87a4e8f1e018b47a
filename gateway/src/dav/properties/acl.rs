//! Access control as properties (RFC 3744 section 5): who may do what, as far as clients are to be shown it. Nothing is decided here.
//! Called by the property files of each kind. All entries are protected, for there is no ACL method.

use kontor_proto::collection::v1::{Access, Share};

use crate::dav::path::{self, Location};
use crate::dav::xml::Writer;

/// Everyone who has an account.
const AUTHENTICATED: &str = "<D:authenticated/>";

/// `supported-privilege-set` (section 5.3). The same tree everywhere; `all` alone can't be granted by itself.
pub fn supported(out: &mut Writer) {
    // Name, description, and how many of those that follow stand inside.
    out.raw(
        "<D:supported-privilege><D:privilege><D:all/></D:privilege><D:abstract/>\
         <D:description xml:lang=\"en\">everything</D:description>\
         <D:supported-privilege><D:privilege><D:read/></D:privilege>\
         <D:description xml:lang=\"en\">read</D:description>",
    );
    leaf("<C:read-free-busy/>", "see when someone is busy", out);
    leaf("<D:read-acl/>", "see who may do what", out);
    leaf("<D:read-current-user-privilege-set/>", "see what you may do", out);
    out.raw(
        "</D:supported-privilege><D:supported-privilege><D:privilege><D:write/></D:privilege>\
         <D:description xml:lang=\"en\">write</D:description>",
    );
    leaf("<D:write-properties/>", "change properties", out);
    leaf("<D:write-content/>", "change objects", out);
    leaf("<D:bind/>", "add objects", out);
    leaf("<D:unbind/>", "remove objects", out);
    out.raw(
        "</D:supported-privilege><D:supported-privilege><D:privilege><C:schedule-deliver/></D:privilege>\
         <D:description xml:lang=\"en\">bring scheduling messages</D:description>",
    );
    leaf("<C:schedule-deliver-invite/>", "invite", out);
    leaf("<C:schedule-deliver-reply/>", "answer an invitation", out);
    leaf("<C:schedule-query-freebusy/>", "ask when someone is busy", out);
    out.raw(
        "</D:supported-privilege><D:supported-privilege><D:privilege><C:schedule-send/></D:privilege>\
         <D:description xml:lang=\"en\">send scheduling messages</D:description>",
    );
    leaf("<C:schedule-send-invite/>", "send invitations", out);
    leaf("<C:schedule-send-reply/>", "send answers", out);
    leaf("<C:schedule-send-freebusy/>", "send questions about busy times", out);
    out.raw("</D:supported-privilege></D:supported-privilege>");
}

fn leaf(name: &'static str, description: &'static str, out: &mut Writer) {
    out.raw("<D:supported-privilege><D:privilege>");
    out.raw(name);
    out.raw("</D:privilege><D:description xml:lang=\"en\">");
    out.raw(description);
    out.raw("</D:description></D:supported-privilege>");
}

/// `acl-restrictions` (section 5.6): rights are only given, to one principal at a time.
pub fn restrictions(out: &mut Writer) {
    out.raw("<D:grant-only/><D:no-invert/>");
}

/// To whom an entry gives something.
#[derive(Clone, Copy)]
enum To<'a> {
    /// Everyone signed in.
    Everyone,
    /// A user by login name.
    User(&'a str),
    /// A user or a team, as a share names them.
    Grantee(&'a str),
}

/// The entries of folders and principals.
pub fn everyone_reads(out: &mut Writer) {
    entry(To::Everyone, &["read"], None, out);
}

/// The entries of a home: its user may make collections, others see what is open to them.
pub fn home(user: &str, out: &mut Writer) {
    entry(To::User(user), &["read", "write-content", "bind", "unbind"], None, out);
    entry(To::Everyone, &["read"], None, out);
}

/// The entries of a collection of this owner.
pub fn collection(owner: &str, shares: &[Share], out: &mut Writer) {
    if owner == path::COMPANY {
        return entry(To::Everyone, &["read", "write-content", "bind", "unbind"], None, out);
    }
    entry(To::User(owner), &["all"], None, out);
    for share in shares {
        let privileges: &[&'static str] = match share.access() {
            Access::Write => &["read", "write-content", "bind", "unbind"],
            _ => &["read"],
        };
        entry(To::Grantee(&share.grantee), privileges, None, out);
    }
}

/// The entries of an overview, and those that its objects have from it: its user reads.
pub fn reader(user: &str, from: Option<&Location>, out: &mut Writer) {
    entry(To::User(user), &["read"], from.map(Location::href).as_deref(), out);
}

/// The entries of an object: those of its collection.
pub fn object(location: &Location, shares: &[Share], out: &mut Writer) {
    let from = location.href();
    if location.slug == path::COMPANY {
        return entry(To::Everyone, &["read", "write-content"], Some(&from), out);
    }
    entry(To::User(&location.owner), &["all"], Some(&from), out);
    for share in shares {
        let privileges: &[&'static str] = match share.access() {
            Access::Write => &["read", "write-content"],
            _ => &["read"],
        };
        entry(To::Grantee(&share.grantee), privileges, Some(&from), out);
    }
}

/// One entry with its privileges; `from` is the collection that it is inherited from.
fn entry(to: To<'_>, privileges: &[&'static str], from: Option<&str>, out: &mut Writer) {
    out.raw("<D:ace><D:principal>");
    match to {
        To::User(user) => out.href(&path::principal(user)),
        To::Grantee(name) => out.href(&path::grantee(name)),
        To::Everyone => out.raw(AUTHENTICATED),
    }
    out.raw("</D:principal><D:grant>");
    super::common::privileges(privileges, out);
    out.raw("</D:grant><D:protected/>");
    if let Some(from) = from {
        out.raw("<D:inherited>");
        out.href(from);
        out.raw("</D:inherited>");
    }
    out.raw("</D:ace>");
}
