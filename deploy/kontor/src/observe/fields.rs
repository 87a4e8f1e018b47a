//! Fields of log lines in a file: `name="value"`. Every call has a span with two of them, so texts are copied, not formatted.
//! Used by `observe.rs` for `log.format = "text"` where no terminal shows them; it looks as the library's own without colours.

use std::error::Error;
use std::fmt::{Debug, Result, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes fields without colours.
pub(super) struct PlainFields;

impl<'writer> FormatFields<'writer> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> Result {
        let mut line = Line { writer, is_begun: false, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'writer> {
    writer: Writer<'writer>,
    is_begun: bool,
    result: Result,
}

impl Line<'_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> Result) {
        let name = match field.name() {
            // Where a record of the `log` crate comes from stands before its fields.
            name if name.starts_with("log.") => return,
            "message" => "",
            name => name.strip_prefix("r#").unwrap_or(name),
        };
        let begin = if std::mem::replace(&mut self.is_begun, true) { " " } else { "" };
        let write = |writer: &mut Writer<'_>| {
            writer.write_str(begin)?;
            writer.write_str(name)?;
            writer.write_str(if name.is_empty() { "" } else { "=" })?;
            value(writer)
        };
        if self.result.is_ok() {
            self.result = write(&mut self.writer);
        }
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        self.write(field, |writer| match field.name() {
            "message" => write!(Quiet(writer), "{value}"),
            _ if !value.bytes().all(is_plain) => write!(writer, "{value:?}"),
            _ => {
                writer.write_char('"')?;
                writer.write_str(value)?;
                writer.write_char('"')
            }
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.write(field, |writer| write!(Quiet(writer), "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, |writer| match field.name() {
            "message" => write!(Quiet(writer), "{value:?}"),
            _ => write!(writer, "{value:?}"),
        });
    }
}

/// Writes what may move a terminal's cursor as an escape: messages of libraries can quote what others sent.
struct Quiet<'a, 'writer>(&'a mut Writer<'writer>);

impl Write for Quiet<'_, '_> {
    fn write_str(&mut self, text: &str) -> Result {
        for letter in text.chars() {
            match letter {
                '\x07' | '\x08' | '\x0c' | '\x1b' | '\x7f'..='\u{9f}' => {
                    self.0.write_fmt(format_args!("{}", letter.escape_default()))?;
                }
                letter => self.0.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Page {
        type Writer = Page;

        fn make_writer(&self) -> Page {
            self.clone()
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic").clone()).expect("a text")
        }
    }

    fn write() {
        let _span = tracing::info_span!("rpc", service = "pipeline", method = "/a.B/C", count = 3).entered();
        tracing::info!(cause = %"it \"broke\"\nhere", name = "Zoë\nINFO forged", number = 7, on = true, "no luck");
        tracing::warn!("only words");
        tracing::warn!("\x1b[2J from {}", "a\x07b");
        let cause: &(dyn Error + 'static) = &std::fmt::Error;
        tracing::error!(cause, log.target = "x", "why");
    }

    #[test]
    fn lines_are_those_of_the_library_without_colours() {
        let (ours, theirs) = (Page::default(), Page::default());
        let layer = || tracing_subscriber::fmt().with_ansi(false).without_time();
        let subscriber = layer().with_writer(ours.clone()).fmt_fields(PlainFields).finish();
        tracing::subscriber::with_default(subscriber, write);
        let subscriber = layer().with_writer(theirs.clone()).finish();
        tracing::subscriber::with_default(subscriber, write);
        let same = |text: String| text.replace("\\u{1b}", "\\x1b").replace("\\u{7}", "\\x07");
        assert_eq!(same(ours.text()), theirs.text());
        assert!(
            ours.text().contains("rpc{service=\"pipeline\" method=\"/a.B/C\" count=3}"),
            "{}",
            ours.text()
        );
        assert_eq!(ours.text().lines().filter(|line| line.contains("forged")).count(), 1);
    }
}
