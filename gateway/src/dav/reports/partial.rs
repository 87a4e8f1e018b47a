//! Cuts an object down to the components and properties that a client named (RFC 4791 section 9.6, RFC 6352 section 10.4).
//! Called by the object template; works on lines, so that what stays is byte for byte as stored.

use crate::dav::xml::report::Subset;

/// How much of the component in which a line stands is wanted.
#[derive(Clone, Copy)]
enum Level<'a> {
    Whole,
    Part(&'a Subset),
    Nothing,
}

/// The wanted part of an iCalendar or vCard text.
pub fn select(data: &[u8], subset: &Subset) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut copying = false;
    // Inside a line of which only name and parameters are wanted; whether in quotes.
    let mut head = None;
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            // The rest of a folded line shares its fate.
            if copying {
                out.extend_from_slice(line);
            } else if let Some(quoted) = head {
                head = without_value(line, quoted, &mut out);
            }
            continue;
        }
        let name = name(line);
        let here = levels.last().copied();
        copying = false;
        head = None;
        if name.eq_ignore_ascii_case(b"BEGIN") {
            let inner = enter(here, value(line), subset);
            levels.push(inner);
            copying = !matches!(inner, Level::Nothing);
        } else if name.eq_ignore_ascii_case(b"END") {
            copying = !matches!(levels.pop(), None | Some(Level::Nothing));
        } else if let Some(here) = here {
            match wanted(here, name) {
                Some(false) => copying = true,
                Some(true) => head = without_value(line, false, &mut out),
                None => {}
            }
        }
        if copying {
            out.extend_from_slice(line);
        }
    }
    out
}

fn enter<'a>(here: Option<Level<'a>>, component: &[u8], subset: &'a Subset) -> Level<'a> {
    let matches = |part: &&Subset| component.eq_ignore_ascii_case(part.name.as_bytes());
    match here {
        None if matches(&subset) => Level::Part(subset),
        None | Some(Level::Nothing) => Level::Nothing,
        Some(Level::Whole) => Level::Whole,
        Some(Level::Part(part)) => match part.components.iter().find(matches) {
            Some(child) => Level::Part(child),
            None if part.all_components => Level::Whole,
            None => Level::Nothing,
        },
    }
}

/// `Some(true)` when only the name is wanted, `Some(false)` for the whole line.
fn wanted(here: Level<'_>, name: &[u8]) -> Option<bool> {
    let part = match here {
        Level::Whole => return Some(false),
        Level::Nothing => return None,
        Level::Part(part) => part,
    };
    let bare = name.iter().position(|byte| *byte == b'.').map_or(name, |at| &name[at + 1..]);
    let named = part.properties.iter().find(|(wanted, _)| {
        bare.eq_ignore_ascii_case(wanted.as_bytes()) || name.eq_ignore_ascii_case(wanted.as_bytes())
    });
    match named {
        Some((_, no_value)) => Some(*no_value),
        // A card without its version is no card.
        None if part.all_properties || (part.name == "VCARD" && bare.eq_ignore_ascii_case(b"VERSION")) => {
            Some(false)
        }
        None => None,
    }
}

/// Copies up to the colon behind the parameters and ends the line there. When the colon is on the next line of a folded one, tells
/// whether that goes on in quotes.
fn without_value(line: &[u8], mut quoted: bool, out: &mut Vec<u8>) -> Option<bool> {
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b':' if !quoted => {
                out.extend_from_slice(&line[..at]);
                out.extend_from_slice(b":\r\n");
                return None;
            }
            _ => {}
        }
    }
    out.extend_from_slice(line);
    Some(quoted)
}

fn name(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|byte| matches!(byte, b':' | b';' | b'\r' | b'\n'));
    &line[..end.unwrap_or(line.len())]
}

fn value(line: &[u8]) -> &[u8] {
    let at = line.iter().position(|byte| *byte == b':').map_or(line.len(), |at| at + 1);
    line[at..].trim_ascii()
}
