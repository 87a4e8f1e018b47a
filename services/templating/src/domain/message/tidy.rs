//! Plain text from the stream of a derived text: signs of blocks, lists and cells become line ends, numbers and dashes.
//! Called for each message, for only then is it known what stands between two signs.

/// A line of its own begins.
pub(super) const BLOCK: char = '\u{e002}';
/// A paragraph begins or ends: an empty line stands there.
pub(super) const PARAGRAPH: char = '\u{e003}';
/// A line ends.
pub(super) const LINE: char = '\u{e004}';
/// A list with dashes begins.
pub(super) const LIST: char = '\u{e005}';
/// A list with numbers begins.
pub(super) const NUMBERS: char = '\u{e006}';
/// A list ends.
pub(super) const LIST_END: char = '\u{e007}';
/// An item begins.
pub(super) const ITEM: char = '\u{e008}';
/// A cell begins.
pub(super) const CELL: char = '\u{e009}';
/// The address behind the words of a link begins.
pub(super) const OPEN: char = '\u{e00a}';
/// It ends.
pub(super) const CLOSE: char = '\u{e00b}';

/// Between cells of a row.
const BETWEEN: &str = " | ";
/// Lists inside of each other that are set in.
const DEEP: usize = 8;

/// Makes the text.
pub(super) fn tidy(raw: &str) -> String {
    let mut out = Out {
        text: String::with_capacity(raw.len()),
        line: String::new(),
        open: None,
        empty: 0,
        cell: false,
        set_in: 0,
    };
    // Of each open list: its next number, or none for dashes.
    let mut lists: Vec<Option<u32>> = Vec::new();
    for c in raw.chars() {
        match c {
            BLOCK => out.end(),
            PARAGRAPH => out.paragraph(),
            LINE | '\n' => out.force(),
            LIST | NUMBERS => {
                out.end();
                if lists.is_empty() {
                    out.paragraph();
                }
                lists.push((c == NUMBERS).then_some(1));
            }
            LIST_END => {
                out.end();
                lists.pop();
                out.set_in = lists.len().min(DEEP).saturating_mul(2);
                if lists.is_empty() {
                    out.paragraph();
                    out.set_in = 0;
                }
            }
            ITEM => {
                out.end();
                let sign = match lists.last_mut() {
                    Some(Some(number)) => {
                        let sign = format!("{number}. ");
                        *number += 1;
                        sign
                    }
                    _ => "- ".to_owned(),
                };
                out.set_in = lists.len().min(DEEP).saturating_sub(1) * 2;
                out.line.push_str(&sign);
                out.cell = false;
            }
            CELL => {
                out.cell = !out.line.trim().is_empty() && !out.line.ends_with(BETWEEN);
                if out.cell {
                    out.line.truncate(out.line.trim_end().len());
                    out.line.push_str(BETWEEN);
                }
            }
            OPEN => {
                out.open = Some(out.line.len());
                out.line.push_str(if out.line.ends_with(' ') { "(" } else { " (" });
            }
            CLOSE => out.close(),
            ' ' if out.line.is_empty() || out.line.ends_with(' ') => {}
            c => out.line.push(c),
        }
    }
    out.end();
    out.text.truncate(out.text.trim_end().len());
    if !out.text.is_empty() {
        out.text.push('\n');
    }
    out.text
}

struct Out {
    text: String,
    line: String,
    /// Where in the line an address has begun.
    open: Option<usize>,
    /// Line ends at the end of the text.
    empty: usize,
    cell: bool,
    set_in: usize,
}

impl Out {
    /// Ends the line that has begun.
    fn end(&mut self) {
        let line = self.line.trim_end().trim_end_matches(" |").trim_end();
        if !line.is_empty() {
            self.text.push_str(&" ".repeat(self.set_in));
            self.text.push_str(line);
            self.text.push('\n');
            self.empty = 1;
        }
        self.line.clear();
        self.open = None;
        self.cell = false;
    }

    /// Ends an address. One whose fields and conditions came to nothing leads nowhere, and is not shown.
    fn close(&mut self) {
        match self.open.take() {
            Some(begin) if self.line[begin..].trim().trim_start_matches('(').is_empty() => {
                self.line.truncate(begin);
            }
            _ => self.line.push(')'),
        }
    }

    fn paragraph(&mut self) {
        self.end();
        if !self.text.is_empty() && self.empty < 2 {
            self.text.push('\n');
            self.empty = 2;
        }
    }

    /// Ends a line, also an empty one.
    fn force(&mut self) {
        if self.line.trim().is_empty() {
            self.paragraph();
        } else {
            self.end();
        }
    }
}

/// One line: blanks and line ends are one blank.
pub(super) fn line(raw: &str) -> String {
    let clean: String = raw.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_lines_and_nothing_between_them_is_nothing() {
        let raw = format!(
            "{PARAGRAPH} A {PARAGRAPH}{BLOCK}{BLOCK}{PARAGRAPH}b  c{LINE}d{LINE}{LINE}{LINE}e{BLOCK}"
        );
        assert_eq!(tidy(&raw), "A\n\nb c\nd\n\ne\n");
    }

    #[test]
    fn lists_have_dashes_and_numbers() {
        let raw = format!(
            "x{BLOCK}{NUMBERS}{ITEM}a{BLOCK}{ITEM}b{BLOCK}{LIST}{ITEM}c{BLOCK}{LIST_END}{ITEM}d{LIST_END}y"
        );
        assert_eq!(tidy(&raw), "x\n\n1. a\n2. b\n  - c\n3. d\n\ny\n");
    }

    #[test]
    fn cells_stand_in_their_row() {
        let raw = format!("{BLOCK}{CELL}a{CELL}b{BLOCK}{BLOCK}{CELL}{CELL}c{CELL}{BLOCK}");
        assert_eq!(tidy(&raw), "a | b\nc\n");
    }

    #[test]
    fn an_address_stands_in_brackets_unless_there_is_none() {
        let raw = format!("a{OPEN}https://b.example{CLOSE} c{OPEN}{CLOSE}, d {OPEN} {CLOSE}");
        assert_eq!(tidy(&raw), "a (https://b.example) c, d\n");
    }

    #[test]
    fn a_subject_is_one_line() {
        assert_eq!(line(" a\r\nBcc: b\u{0}\t c "), "a Bcc: b c");
    }
}
