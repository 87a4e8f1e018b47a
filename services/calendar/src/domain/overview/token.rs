//! How far a program is that follows a unified calendar: one number for each calendar in it, in the place of a collection's id.
//! Called by overview/.

use sha2::{Digest, Sha256};

/// One calendar, as far as it tells versions of the overview apart.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its id.
    pub id: String,
    /// Its colour, as who reads has it.
    pub color: String,
    /// Last change of its properties; microseconds UTC.
    pub update_time: i64,
    /// Its change number.
    pub seq: i64,
}

/// How far it is with one calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The change number reached; -1 before the first.
    pub seq: i64,
    /// The calendar's number when the first sync of it began, if that was cut off inside of it; else 0.
    pub first_until: i64,
}

/// Tells which calendars there are and how each looks. Another digest means another overview, and a program starts anew.
pub fn digest(overview: &str, parts: &[Part]) -> String {
    let mut hash = Sha256::new();
    hash.update(overview.as_bytes());
    for part in parts {
        for text in [&part.id, &part.color] {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        hash.update(part.update_time.to_be_bytes());
    }
    super::hex(&hash.finalize())
}

/// The order in which calendars stand in a token, and their objects in a list.
pub fn sort(parts: &mut [Part]) {
    parts.sort_by(|one, other| (super::key(&one.id), &one.id).cmp(&(super::key(&other.id), &other.id)));
}

/// The text that goes into a sync token as the collection's id, and the change number beside it.
pub fn write(digest: &str, all: &[At]) -> (String, i64) {
    let mut text = digest.to_owned();
    for at in all {
        text.push('.');
        match at {
            At { seq: ..0, .. } => text.push('~'),
            At { seq, first_until: 0 } => number(*seq, &mut text),
            At { seq, first_until } => {
                number(*seq, &mut text);
                text.push('_');
                number(*first_until, &mut text);
            }
        }
    }
    (text, sum(all))
}

/// Reads what `write` wrote; none when it is of another overview, or not ours.
pub fn read(text: &str, sequence: i64, digest: &str, count: usize) -> Option<Vec<At>> {
    let rest = text.strip_prefix(digest)?;
    let all: Vec<At> = rest.split('.').skip(1).take(count + 1).map(at).collect::<Option<_>>()?;
    (all.len() == count && (count > 0 || rest.is_empty()) && sum(&all) == sequence).then_some(all)
}

fn at(text: &str) -> Option<At> {
    if text == "~" {
        return Some(At { seq: -1, first_until: 0 });
    }
    let (seq, first_until) = text.split_once('_').unwrap_or((text, "0"));
    let number = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        if plain { i64::from_str_radix(text, 36).ok() } else { None }
    };
    Some(At { seq: number(seq)?, first_until: number(first_until)? })
}

fn sum(all: &[At]) -> i64 {
    all.iter().fold(0, |sum, at| sum.saturating_add(at.seq.max(0)))
}

/// Base 36: a token stands in every answer to a home.
fn number(number: i64, out: &mut String) {
    let mut rest = number.unsigned_abs();
    let mut digits = Vec::with_capacity(13);
    loop {
        digits.push(char::from_digit((rest % 36) as u32, 36).unwrap_or('0'));
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits.iter().rev());
}
