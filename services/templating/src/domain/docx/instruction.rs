//! The instruction of a Word field: its words, quotes and switches, with the fields that stand in it.
//! Called for each field that a letter fills in.

use crate::domain::expression::{Case, Filter, MergeName, Operator};
use crate::domain::finding::Problem;
use crate::domain::markup::{Compare, Merge, Piece, Source, Word, WordIf};
use crate::domain::xml::Id;

use super::fields::{Field, Part};

/// What a field's first word makes of it. Others, such as PAGE, stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    MergeField,
    If,
    Next,
    NextIf,
    SkipIf,
    MergeRecord,
    Date,
}

impl Keyword {
    pub(super) fn of(field: &Field) -> Option<Self> {
        let mut text = String::new();
        for part in &field.instruction {
            match part {
                Part::Text(piece, _) => text.push_str(piece),
                Part::Field(_) => break,
            }
        }
        let word = text.split_whitespace().next()?.to_uppercase();
        Some(match word.as_str() {
            "MERGEFIELD" => Self::MergeField,
            "IF" => Self::If,
            "NEXT" => Self::Next,
            "NEXTIF" => Self::NextIf,
            "SKIPIF" => Self::SkipIf,
            "MERGEREC" | "MERGESEQ" => Self::MergeRecord,
            "DATE" | "TIME" => Self::Date,
            _ => return None,
        })
    }
}

/// A word of an instruction: its pieces, each with the run that brings its formatting.
#[derive(Debug, Default)]
struct Argument {
    pieces: Vec<(Piece, Option<Id>)>,
    is_switch: bool,
}

impl Argument {
    fn text(&self) -> String {
        let texts = self
            .pieces
            .iter()
            .map(|(piece, _)| if let Piece::Text(text) = piece { text.as_str() } else { "" });
        texts.collect()
    }

    fn plain(&self) -> Vec<Piece> {
        self.pieces.iter().map(|(piece, _)| piece.clone()).collect()
    }
}

/// What a field does, with its text for places.
pub(super) fn read(field: &Field, keyword: Keyword) -> Result<Word, Problem> {
    let arguments = split(field, matches!(keyword, Keyword::If | Keyword::NextIf | Keyword::SkipIf))?;
    let words = &arguments[1.min(arguments.len())..];
    Ok(match keyword {
        Keyword::MergeField => Word::Merge(merge(words)?),
        Keyword::If => Word::Condition(Box::new(word_if(words)?)),
        Keyword::Next => Word::Next(None),
        Keyword::NextIf => Word::Next(Some(compare(words)?)),
        Keyword::SkipIf => Word::Skip(compare(words)?),
        Keyword::MergeRecord => {
            Word::Merge(Merge { source: Source::RecordNumber, filters: switches(words)? })
        }
        Keyword::Date => {
            let mut filters = switches(words)?;
            if !filters.iter().any(|filter| matches!(filter, Filter::DatePicture(_))) {
                filters.insert(0, Filter::DatePicture("short".into()));
            }
            Word::Merge(Merge { source: Source::Now, filters })
        }
    })
}

fn wrong(why: &str) -> Problem {
    Problem::Syntax { at: 0, why: why.to_owned() }
}

fn merge(words: &[Argument]) -> Result<Merge, Problem> {
    let name = words.first().filter(|word| !word.is_switch).map(Argument::text).unwrap_or_default();
    if name.trim().is_empty() {
        return Err(wrong("MERGEFIELD has no name"));
    }
    Ok(Merge { source: Source::Name(MergeName::word(&name)), filters: switches(&words[1..])? })
}

fn switches(words: &[Argument]) -> Result<Vec<Filter>, Problem> {
    let mut pictures = Vec::new();
    let mut cases = Vec::new();
    let (mut before, mut behind) = (String::new(), String::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if !word.is_switch {
            continue;
        }
        let name = word.text();
        // \m and \v stand alone.
        let mut value = || words.next().map(Argument::text).unwrap_or_default();
        match name.as_str() {
            "\\#" => pictures.push(Filter::NumberPicture(value().into())),
            "\\@" => pictures.push(Filter::DatePicture(value().into())),
            "\\b" | "\\B" => before = value(),
            "\\f" | "\\F" => behind = value(),
            "\\*" => match value().to_lowercase().as_str() {
                "upper" => cases.push(Filter::Case(Case::Upper)),
                "lower" => cases.push(Filter::Case(Case::Lower)),
                "firstcap" => cases.push(Filter::Case(Case::First)),
                "caps" => cases.push(Filter::Case(Case::Title)),
                "mergeformat" | "charformat" | "arabic" => {}
                other => return Err(wrong(&format!("the switch \\* {other} is not known"))),
            },
            "\\m" | "\\v" | "\\M" | "\\V" => {}
            other => return Err(wrong(&format!("the switch {other} is not known"))),
        }
    }
    pictures.append(&mut cases);
    if !before.is_empty() || !behind.is_empty() {
        pictures.push(Filter::Around(before.into(), behind.into()));
    }
    Ok(pictures)
}

fn compare(words: &[Argument]) -> Result<Compare, Problem> {
    let [left, sign, right, ..] = words else {
        return Err(wrong("a condition has two values and a sign between them, as in: Country = \"FR\""));
    };
    let operator = match sign.text().as_str() {
        "=" => Operator::Equal,
        "<>" => Operator::Unequal,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        other => return Err(wrong(&format!("{other:?} is no sign between two values"))),
    };
    Ok(Compare::Sides(operator, left.plain(), right.plain()))
}

fn word_if(words: &[Argument]) -> Result<WordIf, Problem> {
    let condition = compare(words)?;
    let texts: Vec<&Argument> = words[3..].iter().take_while(|word| !word.is_switch).collect();
    let text = |at: usize| texts.get(at).map(|word| word.pieces.clone()).unwrap_or_default();
    Ok(WordIf { condition, yes: text(0), no: text(1) })
}

/// Cuts an instruction at white space outside of quotes, and at signs of comparison where there may be some.
fn split(field: &Field, has_signs: bool) -> Result<Vec<Argument>, Problem> {
    let mut splitter = Splitter { has_signs, ..Splitter::default() };
    for part in &field.instruction {
        match part {
            Part::Text(text, run) => splitter.text(text, Some(*run)),
            Part::Field(inner) => splitter.field(inner)?,
        }
    }
    splitter.end();
    Ok(splitter.found)
}

#[derive(Default)]
struct Splitter {
    found: Vec<Argument>,
    now: Option<Argument>,
    is_quoted: bool,
    is_escaped: bool,
    has_signs: bool,
}

impl Splitter {
    fn end(&mut self) {
        self.found.extend(self.now.take());
    }

    fn push(&mut self, c: char, run: Option<Id>) {
        let now = self.now.get_or_insert_default();
        match now.pieces.last_mut() {
            Some((Piece::Text(text), of)) if *of == run => text.push(c),
            _ => now.pieces.push((Piece::Text(c.to_string()), run)),
        }
    }

    fn text(&mut self, text: &str, run: Option<Id>) {
        for c in text.chars() {
            let is_sign = |c: char| matches!(c, '=' | '<' | '>');
            match c {
                _ if self.is_escaped => {
                    self.is_escaped = false;
                    // Only quotes and backslashes need one; before all else it begins a switch.
                    if !self.is_quoted && !matches!(c, '\\' | '"') {
                        self.end();
                        self.push('\\', run);
                        if let Some(now) = &mut self.now {
                            now.is_switch = true;
                        }
                        self.push(c, run);
                        self.end();
                    } else {
                        self.push(c, run);
                    }
                }
                '\\' => self.is_escaped = true,
                '"' | '“' | '”' | '„' => {
                    self.is_quoted = !self.is_quoted;
                    if self.is_quoted {
                        self.end();
                        self.now = Some(Argument::default());
                    } else {
                        self.end();
                    }
                }
                c if self.is_quoted => self.push(c, run),
                c if c.is_whitespace() => self.end(),
                c if self.has_signs && is_sign(c) => {
                    let goes_on = self
                        .now
                        .as_ref()
                        .is_some_and(|now| now.text().chars().all(is_sign) && !now.pieces.is_empty());
                    if !goes_on {
                        self.end();
                    }
                    self.push(c, run);
                }
                c => {
                    let was_sign = self.has_signs
                        && self.now.as_ref().is_some_and(|now| {
                            !now.pieces.is_empty()
                                && now.text().chars().all(is_sign)
                                && !now.text().is_empty()
                        });
                    if was_sign {
                        self.end();
                    }
                    self.push(c, run);
                }
            }
        }
    }

    fn field(&mut self, inner: &Field) -> Result<(), Problem> {
        let piece = match Keyword::of(inner) {
            Some(Keyword::If) => match read(inner, Keyword::If)? {
                Word::Condition(found) => Piece::If(found),
                _ => return Ok(()),
            },
            Some(keyword @ (Keyword::MergeField | Keyword::MergeRecord | Keyword::Date)) => {
                match read(inner, keyword)? {
                    Word::Merge(found) => Piece::Merge(found),
                    _ => return Ok(()),
                }
            }
            Some(_) => return Err(wrong("NEXT, NEXTIF and SKIPIF cannot stand inside of another field")),
            // Of other fields, such as PAGE, only the result is known.
            None => Piece::Text(inner.result.clone()),
        };
        if !self.is_quoted && self.has_signs {
            let is_sign = self.now.as_ref().is_some_and(|now| {
                now.text().chars().all(|c| matches!(c, '=' | '<' | '>')) && !now.text().is_empty()
            });
            if is_sign {
                self.end();
            }
        }
        self.now.get_or_insert_default().pieces.push((piece, inner.format));
        Ok(())
    }
}
