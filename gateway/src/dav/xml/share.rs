//! The body of a POST that shares a collection (caldav-sharing of calendarserver.org, section 5.3.2).
//! Called by `methods::share`.

use super::Space;
use super::reader::{Error, Reader, malformed};
use crate::dav::limits;

/// One step of a CS:share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// CS:set: the sharee's href, and whether the sharee may write.
    Set(String, bool),
    /// CS:remove: the sharee's href.
    Remove(String),
}

/// Whether a body's root element is CS:share. Another one, or no XML at all, is told by who reads it.
pub fn is_share(body: &[u8]) -> bool {
    let root =
        Reader::new(body).and_then(|mut reader| Ok(reader.root()?.is(&Space::CalendarServer, "share")));
    root.unwrap_or(false)
}

/// Reads a CS:share. Names and summaries that the client gives are passed over: the directory knows the names, and shares have no text.
pub fn share(body: &[u8]) -> Result<Vec<Step>, Error> {
    let mut reader = Reader::new(body)?;
    let root = reader.root()?;
    if !root.is(&Space::CalendarServer, "share") {
        return Err(malformed("the root element is not CS:share"));
    }
    let mut steps = Vec::new();
    while let Some(element) = reader.child()? {
        let sets = element.is(&Space::CalendarServer, "set");
        if !sets && !element.is(&Space::CalendarServer, "remove") {
            reader.skip()?;
            continue;
        }
        if steps.len() == limits::SHAREES {
            return Err(Error::Limit("CS:set and CS:remove"));
        }
        steps.push(step(&mut reader, sets)?);
    }
    reader.finish()?;
    if steps.is_empty() {
        return Err(malformed("CS:share has neither CS:set nor CS:remove"));
    }
    Ok(steps)
}

fn step(reader: &mut Reader<'_>, sets: bool) -> Result<Step, Error> {
    let (mut href, mut writable) = (None, None);
    while let Some(child) = reader.child()? {
        if child.is(&Space::Dav, "href") {
            href = Some(reader.text()?.trim().to_owned());
            continue;
        }
        if child.is(&Space::CalendarServer, "read") {
            writable = Some(false);
        } else if child.is(&Space::CalendarServer, "read-write") {
            writable = Some(true);
        }
        reader.skip()?;
    }
    let href = href.filter(|href| !href.is_empty() && href.len() <= limits::XML_NAME_BYTES);
    let href = href.ok_or_else(|| malformed("a sharee has no DAV:href"))?;
    if !sets {
        return Ok(Step::Remove(href));
    }
    let writable = writable.ok_or_else(|| malformed("CS:set has neither CS:read nor CS:read-write"))?;
    Ok(Step::Set(href, writable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inside: &str) -> Result<Vec<Step>, Error> {
        share(
            format!("<CS:share xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/'>{inside}</CS:share>")
                .as_bytes(),
        )
    }

    #[test]
    fn d8_a_share_is_read_as_apples_programs_write_it() {
        let steps = read(
            "<CS:set><D:href>mailto:eric@example.com</D:href><CS:common-name>Eric</CS:common-name><CS:summary>Work</CS:summary>\
             <CS:read-write/></CS:set><CS:set><CS:read/><D:href> /dav/principals/teams/sales/ </D:href></CS:set>\
             <CS:odd/><CS:remove><D:href>mailto:gone@example.com</D:href></CS:remove>",
        );
        let wanted = [
            Step::Set("mailto:eric@example.com".to_owned(), true),
            Step::Set("/dav/principals/teams/sales/".to_owned(), false),
            Step::Remove("mailto:gone@example.com".to_owned()),
        ];
        assert_eq!(steps.unwrap(), wanted);
    }

    #[test]
    fn d8_a_share_without_sharee_right_or_end_is_refused() {
        for bad in [
            "",
            "<CS:set><CS:read/></CS:set>",
            "<CS:set><D:href>mailto:a@b</D:href></CS:set>",
            "<CS:remove/>",
            "<CS:set><D:href><D:href/></D:href><CS:read/></CS:set>",
        ] {
            assert!(matches!(read(bad), Err(Error::Malformed(_))), "{bad}");
        }
        assert!(share(b"<share xmlns='DAV:'/>").is_err());
        let one = "<CS:remove><D:href>mailto:a@b</D:href></CS:remove>";
        assert!(read(&one.repeat(limits::SHAREES)).is_ok());
        assert_eq!(read(&one.repeat(limits::SHAREES + 1)), Err(Error::Limit("CS:set and CS:remove")));
    }
}
