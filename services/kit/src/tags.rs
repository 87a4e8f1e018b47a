//! Names and ETags of many objects as one run of bytes, so that a listing of thousands is a few copies and no allocation for each.
//! Written by the collection engine, read by the DAV edge; the form is described at `TagChunk.tags` in the contract.

/// What comes before id and change number in a sync token. Opaque to clients, but it must be a URI (RFC 6578 section 3.3).
pub const SYNC_TOKEN: &str = "http://kontor/ns/sync/";

/// Adds one object. A name has at most 255 bytes, and both are UTF-8; an empty ETag says that the object is gone.
pub fn push(run: &mut Vec<u8>, name: &[u8], etag: &[u8]) {
    for text in [name, etag] {
        let text = &text[..text.len().min(usize::from(u16::MAX))];
        // The length was cut to fit.
        run.extend_from_slice(&(text.len() as u16).to_be_bytes());
        run.extend_from_slice(text);
    }
}

/// Takes the next object's name and ETag off a run; none at its end, or when it is no run.
pub fn next<'r>(run: &mut &'r [u8]) -> Option<(&'r str, &'r str)> {
    let name = text(run)?;
    Some((name, text(run)?))
}

fn text<'r>(run: &mut &'r [u8]) -> Option<&'r str> {
    let (length, rest) = run.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *run = rest;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_comes_back_and_a_cut_run_ends() {
        let mut run = Vec::new();
        push(&mut run, b"a.ics", b"0123");
        push(&mut run, "é.ics".as_bytes(), b"");
        let mut rest = run.as_slice();
        assert_eq!(next(&mut rest), Some(("a.ics", "0123")));
        assert_eq!(next(&mut rest), Some(("é.ics", "")));
        assert_eq!(next(&mut rest), None);
        for end in 0..run.len() {
            let mut cut = &run[..end];
            while next(&mut cut).is_some() {}
        }
    }
}
