//! Quoted-printable, which vCard 2.1 still writes (RFC 2045 6.7).
//! Called by `tree` when a property says so.

/// Decodes a value whose soft line breaks are gone. A broken escape stands for itself. Bytes that are not UTF-8
/// become the replacement character, unless the text is said to be Latin 1.
pub(crate) fn decode(value: &str, latin1: bool) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'=');
        match pair.and_then(|pair| Some(hex(pair[0])? << 4 | hex(pair[1])?)) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    if latin1 {
        return out.into_iter().map(char::from).collect();
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}
