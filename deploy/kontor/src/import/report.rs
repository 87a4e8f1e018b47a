//! What people see of an import: its progress, what came of it, and the errors, on the terminal and in a file.
//! Called by mod.rs.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kontor_kit::{Error, Result};
use kontor_proto::pipeline::v1 as proto;

use super::How;

/// Errors that are shown; `--errors` keeps all.
const SHOWN: usize = 20;
/// Bytes received between two lines about it, where there is no bar.
const STEP: i64 = 16 * 1024 * 1024;
/// What a shell says of a program that was ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// What people see of it.
pub(super) struct Report {
    last: proto::ImportLeadsResponse,
    errors: Option<(PathBuf, std::io::BufWriter<std::fs::File>)>,
    first: Vec<proto::ImportError>,
    /// Nothing is written.
    check: bool,
    bar: bool,
    /// Phase and part of it that was last told, where there is no bar.
    told: Option<(i32, i64)>,
}

impl Report {
    pub(super) fn new(how: &How) -> Result<Report> {
        let errors = match how.errors.as_deref() {
            None => None,
            Some(path) => {
                let file = std::fs::File::create(path).map_err(|cause| unwritable(path, &cause))?;
                let mut file = std::io::BufWriter::new(file);
                file.write_all(b"line,column,field,reason,message\r\n")
                    .map_err(|cause| unwritable(path, &cause))?;
                Some((path.to_owned(), file))
            }
        };
        let bar = std::io::stderr().is_terminal();
        let last = proto::ImportLeadsResponse::default();
        Ok(Report { last, errors, first: Vec::new(), check: how.check, bar, told: None })
    }

    pub(super) fn take(&mut self, mut answer: proto::ImportLeadsResponse) -> Result<()> {
        for error in std::mem::take(&mut answer.errors) {
            if let Some((path, file)) = &mut self.errors {
                let line = format!(
                    "{},{},{},{},{}\r\n",
                    error.line,
                    error.column,
                    quoted(&error.field),
                    quoted(&error.reason),
                    quoted(&error.message)
                );
                file.write_all(line.as_bytes()).map_err(|cause| unwritable(path, &cause))?;
            }
            if self.first.len() < SHOWN {
                self.first.push(error);
            }
        }
        self.last = answer;
        self.show();
        Ok(())
    }

    fn show(&mut self) {
        let last = &self.last;
        let line = if last.phase() == proto::ImportPhase::Receiving {
            format!("checking: {} KiB, {} rows", last.received_bytes / 1024, last.total_rows)
        } else {
            format!("{} of {} rows: {}{}", last.done_rows, last.total_rows, self.would(), counts(last))
        };
        if self.bar {
            let filled = usize::try_from(20 * last.done_rows / last.total_rows.max(1)).unwrap_or(0).min(20);
            // Over what stands there, and the rest of that line is cleared.
            eprint!("\r[{}{}] {line}\x1b[K", "#".repeat(filled), "-".repeat(20 - filled));
            return;
        }
        let part = if last.phase() == proto::ImportPhase::Receiving {
            last.received_bytes / STEP
        } else {
            10 * last.done_rows / last.total_rows.max(1)
        };
        let now = Some((last.phase, part));
        // The last message only says that all is done, and the summary says it too.
        if self.told != now && last.phase() != proto::ImportPhase::Done {
            self.told = now;
            eprintln!("{line}");
        }
    }

    /// Makes room on the terminal for what comes.
    pub(super) fn clear(&self) {
        if self.bar && self.last.phase != 0 {
            eprintln!();
        }
    }

    pub(super) fn interrupted(&self) -> ExitCode {
        self.clear();
        eprintln!(
            "stopped after {} rows ({}{}); {}",
            self.last.done_rows,
            self.would(),
            counts(&self.last),
            if self.check {
                "nothing was written"
            } else {
                "what is written stays. Run the same command again to go on: nothing is created twice"
            }
        );
        ExitCode::from(INTERRUPTED)
    }

    /// What stands before the counts: of a check they are what an import would do.
    fn would(&self) -> &'static str {
        if self.check { "it would be " } else { "" }
    }

    pub(super) fn finish(mut self) -> Result<ExitCode> {
        self.clear();
        if let Some((path, file)) = &mut self.errors {
            file.flush().map_err(|cause| unwritable(path, &cause))?;
        }
        let word = if self.check { "nothing was written; " } else { "" };
        println!("{} rows: {word}{}{}", self.last.total_rows, self.would(), counts(&self.last));
        let failed = self.last.failed_rows;
        if failed == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        print!("{}", table(&self.first));
        let more = failed - i64::try_from(self.first.len()).unwrap_or(0);
        if more > 0 {
            println!("and {more} more");
        }
        match &self.errors {
            Some((path, _)) => println!("all of them stand in {}", path.display()),
            None if more > 0 => println!("--errors FILE keeps them all"),
            None => {}
        }
        if self.errors.is_some() && self.last.unreported_errors > 0 {
            println!("but {}, which were only counted", self.last.unreported_errors);
        }
        Ok(ExitCode::FAILURE)
    }
}

fn counts(of: &proto::ImportLeadsResponse) -> String {
    format!(
        "{} created, {} updated, {} unchanged, {} failed",
        of.created_rows, of.updated_rows, of.unchanged_rows, of.failed_rows
    )
}

fn table(errors: &[proto::ImportError]) -> String {
    let row = |error: &proto::ImportError| {
        vec![format!("{:>4}", error.line), plain(&error.field), error.reason.clone(), plain(&error.message)]
    };
    aligned(&["line", "field", "reason", "message"], &errors.iter().map(row).collect::<Vec<_>>())
}

/// Rows under their headings, in columns; the last one is not filled up.
pub(super) fn aligned(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&word| word.to_owned()).collect();
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    all().map(line).collect()
}

/// Text of a file on a terminal: nothing in it may move the cursor.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn unwritable(path: &Path, cause: &std::io::Error) -> Error {
    Error::invalid("errors", format!("can't write {}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_a_table_that_fits_and_moves_no_cursor() {
        let error = |line, field: &str, message: &str| proto::ImportError {
            line,
            field: field.to_owned(),
            reason: "INVALID_FIELD".to_owned(),
            message: message.to_owned(),
            ..Default::default()
        };
        let text = table(&[error(7, "email", "wrong\x1b[2J"), error(1_000, "a", "b")]);
        let wanted = "line  field  reason         message\n   7  email  INVALID_FIELD  wrong [2J\n1000  a      INVALID_FIELD  b\n";
        assert_eq!(text, wanted);
    }
}
