//! What must hold for the bytes of any file that is imported, and for any amount of money.
//! Called by the fuzz target and, with the corpus, by `tests/it/corpus.rs`.

use kontor_pipeline::csv::{COLUMNS, Delimiter, Encoding, FIELD_BYTES, Fault, Reader, Record};
use kontor_pipeline::money::Money;

/// Encodings, as the first bits of an input choose one.
const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Utf16, Encoding::Windows1252];

fn read(
    encoding: Encoding,
    delimiter: Option<Delimiter>,
    bytes: &[u8],
    piece: usize,
) -> (Vec<Record>, Option<Fault>) {
    let mut records = Vec::new();
    let mut take = |record| records.push(record);
    let mut reader = Reader::new(encoding, delimiter);
    let mut pieces = bytes.chunks(piece);
    let fault =
        pieces.find_map(|some| reader.push(some, &mut take).err()).or_else(|| reader.end(&mut take).err());
    (records, fault)
}

/// No panic, pieces do not matter, places rise and are in the file, bounds hold, and what was read is read again from how it would be written.
/// Returns what UTF-8 gave.
pub fn csv(bytes: &[u8]) -> (Vec<Record>, Option<Fault>) {
    for encoding in ENCODINGS {
        for delimiter in [None, Some(Delimiter::Semicolon)] {
            let whole = read(encoding, delimiter, bytes, usize::MAX);
            for piece in [1, 3] {
                assert_eq!(whole, read(encoding, delimiter, bytes, piece), "in pieces of {piece}");
            }
            let (records, fault) = &whole;
            assert!(records.windows(2).all(|pair| pair[0].line < pair[1].line));
            let fields = records.iter().flat_map(|record| &record.fields);
            assert!(fields.clone().all(|field| field.len() <= FIELD_BYTES && !field.contains('\0')));
            assert!(records.iter().all(|record| (1..=COLUMNS).contains(&record.fields.len())));
            if let Some(fault) = fault {
                assert!(
                    fault.line >= 1 && (1..=COLUMNS).contains(&fault.column) && !fault.message.is_empty()
                );
                assert!(fault.byte.is_none_or(|byte| byte <= bytes.len() as u64));
                assert!(records.last().is_none_or(|last| last.line <= fault.line), "{fault:?}");
            } else {
                let again =
                    read(Encoding::Utf8, Some(Delimiter::Comma), written(records).as_bytes(), usize::MAX);
                assert_eq!(again.1, None);
                let fields = |records: &[Record]| {
                    records.iter().map(|record| record.fields.clone()).collect::<Vec<_>>()
                };
                assert_eq!(fields(&again.0), fields(records));
            }
        }
    }
    read(Encoding::Utf8, None, bytes, usize::MAX)
}

/// Records as a file, every field in quotes.
fn written(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        let fields: Vec<String> =
            record.fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
        text.push_str(&fields.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A currency and, behind a line break, an amount. No panic, what is taken is in its one form and worth what was written, and what is refused names its field in a sentence of
/// bounded length. Returns the amount that was taken.
pub fn money(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let (code, amount) = text.split_once('\n').unwrap_or(("EUR", &text));
    match Money::parse("opportunity.amount", code, amount) {
        Ok(money) => {
            let again = Money::parse("opportunity.amount", &money.currency, &money.amount);
            assert_eq!(again.expect("what was taken is taken again"), money);
            let (whole, rest) = money.amount.split_once('.').unwrap_or((&money.amount, ""));
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            assert!((1..=15).contains(&whole.len()) && rest.len() <= 4 && digits(whole) && digits(rest));
            assert!(whole == "0" || !whole.starts_with('0'), "{whole}");
            assert_eq!(worth(&money.amount), worth(amount), "{amount:?} is not {}", money.amount);
            money.value().expect("it is a number");
            Some(money.amount)
        }
        Err(cause) => {
            let field = cause.field().expect("a field");
            assert!(["opportunity.amount.amount", "opportunity.amount.currency_code"].contains(&field));
            assert!(cause.message().chars().count() <= 500, "{}", cause.message());
            None
        }
    }
}

/// In ten-thousandths.
fn worth(amount: &str) -> u128 {
    let (whole, rest) = amount.split_once('.').unwrap_or((amount, ""));
    format!("{whole}{rest:0<4}").parse().expect("digits")
}
