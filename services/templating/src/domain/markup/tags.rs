//! Tags in the text of a paragraph, however many runs they are split over.
//! Called by the compilers for each paragraph.

use std::sync::Arc;

use crate::domain::expression::{Filter, MergeName, Operator};
use crate::domain::finding::{Finding, Place, Problem, shorten};
use crate::domain::limits::Limits;
use crate::domain::xml::{Document, Id, Node, push_escaped};

/// What a tag does.
#[derive(Debug, Clone)]
pub(crate) enum Word {
    /// `{{ text }}`; the number is where the text begins in the tag, in characters.
    Output(String, usize),
    /// `{% for text %}`
    For(String, usize),
    /// `{% if text %}`
    If(String, usize),
    /// `{% elif text %}`
    Elif(String, usize),
    /// `{% else %}`
    Else,
    /// `{% endfor %}`
    EndFor,
    /// `{% endif %}`
    EndIf,
    /// `{# text #}`
    Comment,
    /// Goes on to the next record, if the condition holds.
    Next(Option<Compare>),
    /// Leaves the letter out if the condition holds.
    Skip(Compare),
    /// A field of the offices' own mail merge.
    Merge(Merge),
    /// Word's IF, or LibreOffice's conditional text.
    Condition(Box<WordIf>),
    /// The beginning of what stands only if the condition holds; `EndIf` ends it.
    Shown(Compare),
}

/// A field of a mail merge with its switches.
#[derive(Debug, Clone)]
pub(crate) struct Merge {
    /// What is shown.
    pub(crate) source: Source,
    /// Its switches in their order.
    pub(crate) filters: Vec<Filter>,
}

/// What a mail merge field shows.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A field of the data.
    Name(MergeName),
    /// The number of the record.
    RecordNumber,
    /// The time of the letter.
    Now,
}

/// A part of a text.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// As it is.
    Text(String),
    /// `{{ }}`
    Output(String, usize),
    /// A field.
    Merge(Merge),
    /// A condition in it.
    If(Box<WordIf>),
}

/// A comparison of two texts, or an expression that must hold.
#[derive(Debug, Clone)]
pub(crate) enum Compare {
    /// Word's.
    Sides(Operator, Vec<Piece>, Vec<Piece>),
    /// All that is in it must hold, or one of it, or the contrary: LibreOffice's formulas.
    All(Vec<Compare>),
    /// One of them.
    Any(Vec<Compare>),
    /// The contrary.
    Not(Box<Compare>),
    /// A value that counts as yes.
    Holds(Piece),
}

/// A condition with its two texts. Each piece has the index of the formatting that it brings.
#[derive(Debug, Clone)]
pub(crate) struct WordIf {
    /// The condition.
    pub(crate) condition: Compare,
    /// When it holds.
    pub(crate) yes: Vec<(Piece, Option<Id>)>,
    /// When it does not.
    pub(crate) no: Vec<(Piece, Option<Id>)>,
}

/// A tag at its place.
#[derive(Debug)]
pub(crate) struct Tag {
    /// What it does.
    pub(crate) word: Word,
    /// Its number among the template's places.
    pub(crate) place: u32,
}

/// The tags of one part, with the places of all parts.
pub(crate) struct Tags<'t> {
    /// The part's name.
    pub(crate) part: Arc<str>,
    /// The tags; `Node::Tag` has their numbers.
    pub(crate) list: Vec<Tag>,
    /// The places of all tags of the template.
    pub(crate) places: &'t mut Vec<Place>,
    /// What was found wrong.
    pub(crate) findings: &'t mut Vec<Finding>,
    /// The caps.
    pub(crate) limits: &'t Limits,
}

/// A piece of a paragraph's text.
#[derive(Debug)]
pub(crate) enum Leaf {
    /// A text node.
    Text(Id, String),
    /// An element that stands for white space: a tab, a line break.
    Space(Id),
}

impl Tags<'_> {
    /// Adds a tag and gives its number.
    pub(crate) fn add(&mut self, word: Word, text: &str, paragraph: u32) -> u32 {
        let place = self.place(text, paragraph);
        self.list.push(Tag { word, place });
        (self.list.len() - 1) as u32
    }

    /// Adds a place.
    pub(crate) fn place(&mut self, text: &str, paragraph: u32) -> u32 {
        self.places.push(Place { part: self.part.clone(), paragraph, tag: shorten(text) });
        (self.places.len() - 1) as u32
    }

    /// Notes what is wrong at a place.
    pub(crate) fn wrong(&mut self, place: u32, problem: Problem) {
        let place = self.places[place as usize].clone();
        self.findings.push(Finding { place, problem });
    }

    /// How a tag changes the depth of blocks.
    pub(crate) fn depth_step(&self, number: u32) -> i32 {
        match self.list[number as usize].word {
            Word::For(..) | Word::If(..) | Word::Shown(_) => 1,
            Word::EndFor | Word::EndIf => -1,
            _ => 0,
        }
    }

    /// Finds the tags in a paragraph's text and puts nodes in their places. Gives the text nodes that were changed.
    pub(crate) fn scan(&mut self, document: &mut Document, leaves: &[Leaf], paragraph: u32) -> Vec<Id> {
        let mut text = String::new();
        let mut begins = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            begins.push(text.len());
            match leaf {
                Leaf::Text(_, piece) => text.push_str(piece),
                Leaf::Space(_) => text.push(' '),
            }
        }
        if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
            return Vec::new();
        }
        let found = self.find(&text, paragraph);
        let mut changed = Vec::new();
        for (leaf, begin) in leaves.iter().zip(begins) {
            match leaf {
                Leaf::Text(id, piece) => {
                    if let Some(nodes) = rewritten(document, piece, begin, &found) {
                        let parent = document.parent(*id);
                        document.replace(*id, nodes);
                        changed.extend(parent);
                    }
                }
                Leaf::Space(id) if found.iter().any(|(from, to, _)| *from <= begin && begin < *to) => {
                    document.remove(*id);
                }
                Leaf::Space(_) => {}
            }
        }
        changed
    }

    /// The tags of a text: from, to, number.
    fn find(&mut self, text: &str, paragraph: u32) -> Vec<(usize, usize, u32)> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(step) = text[at..].find(['{']) {
            let begin = at + step;
            let end_mark = match text.as_bytes().get(begin + 1) {
                Some(b'{') => "}}",
                Some(b'%') => "%}",
                Some(b'#') => "#}",
                _ => {
                    at = begin + 1;
                    continue;
                }
            };
            if self.places.len() >= self.limits.tags {
                let problem = Problem::Limit(format!("more than {} tags", self.limits.tags));
                self.findings.push(Finding::in_part(&self.part, problem));
                return Vec::new();
            }
            let Some(length) = text[begin + 2..].find(end_mark) else {
                let place = self.place(&text[begin..], paragraph);
                self.wrong(place, Problem::Unfinished);
                break;
            };
            let end = begin + 2 + length + 2;
            let whole = &text[begin..end];
            match word(&text[begin + 2..end - 2], end_mark) {
                Ok(word) => found.push((begin, end, self.add(word, whole, paragraph))),
                Err(problem) => {
                    let place = self.place(whole, paragraph);
                    self.wrong(place, problem);
                }
            }
            at = end;
        }
        found
    }
}

/// The nodes in the place of a text that has tags in it or runs through one; nothing when it stays.
fn rewritten(
    document: &mut Document,
    piece: &str,
    begin: usize,
    found: &[(usize, usize, u32)],
) -> Option<Vec<Id>> {
    let end = begin + piece.len();
    let first = found.partition_point(|(_, to, _)| *to <= begin);
    let mine: Vec<_> = found[first..].iter().take_while(|(from, ..)| *from < end).collect();
    if mine.is_empty() {
        return None;
    }
    let mut nodes = Vec::new();
    let mut at = begin;
    for (from, to, number) in mine {
        if *from > at {
            nodes.push(made(document, &piece[at - begin..from - begin]));
        }
        if *from >= begin {
            nodes.push(document.make(Node::Tag(*number)));
        }
        at = (*to).min(end);
    }
    if at < end {
        nodes.push(made(document, &piece[at - begin..]));
    }
    Some(nodes)
}

fn made(document: &mut Document, text: &str) -> Id {
    let mut escaped = Vec::new();
    push_escaped(&mut escaped, text);
    let escaped = String::from_utf8(escaped).unwrap_or_default();
    document.make(Node::Made(escaped.into()))
}

/// What stands between the marks of a tag.
pub(crate) fn word(inner: &str, end_mark: &str) -> Result<Word, Problem> {
    // Marks for white space of other engines mean nothing here.
    let trimmed = inner.trim_start_matches('-').trim_end_matches('-');
    let offset = 2 + inner.len() - inner.trim_start_matches('-').len();
    if end_mark == "#}" {
        return Ok(Word::Comment);
    }
    if end_mark == "}}" {
        return Ok(Word::Output(trimmed.to_owned(), offset));
    }
    let body = trimmed.trim_start();
    let offset = offset + trimmed.chars().count() - body.chars().count();
    let length = body.find(|c: char| !c.is_alphanumeric()).unwrap_or(body.len());
    let (name, rest) = body.split_at(length);
    let after = offset + name.chars().count();
    let alone = |word: Word| {
        if rest.trim().is_empty() {
            Ok(word)
        } else {
            Err(Problem::Syntax { at: after, why: format!("{name} stands alone in its tag") })
        }
    };
    match name {
        "for" => Ok(Word::For(rest.to_owned(), after)),
        "if" => Ok(Word::If(rest.to_owned(), after)),
        "elif" | "elseif" => Ok(Word::Elif(rest.to_owned(), after)),
        "else" => alone(Word::Else),
        "endfor" => alone(Word::EndFor),
        "endif" => alone(Word::EndIf),
        "next" => alone(Word::Next(None)),
        "skip" => match rest.trim_start().strip_prefix("if ") {
            Some(condition) => {
                let at = after + rest.chars().count() - condition.chars().count();
                Ok(Word::Skip(Compare::Holds(Piece::Output(condition.to_owned(), at))))
            }
            None => {
                let why = "write when to leave the recipient out, as in: skip if not partner.email";
                Err(Problem::Syntax { at: after, why: why.to_owned() })
            }
        },
        _ => Err(Problem::Syntax {
            at: offset,
            why: format!("{name:?} is none of for, endfor, if, elif, else, endif, next, skip"),
        }),
    }
}

/// Cuts a text such as a link's target into what is fixed and its `{{ }}`. Nothing when it has none.
pub(crate) fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("{{") {
        let length = rest[begin + 2..].find("}}")?;
        if begin > 0 {
            found.push(Piece::Text(rest[..begin].to_owned()));
        }
        found.push(Piece::Output(rest[begin + 2..begin + 2 + length].to_owned(), 2));
        rest = &rest[begin + length + 4..];
    }
    if found.is_empty() {
        return None;
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest.to_owned()));
    }
    Some(found)
}
