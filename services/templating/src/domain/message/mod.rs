//! Messages for mail: HTML, MJML or plain text with fields, compiled once to programs as letters are; a message is then a run of them.
//! Called by the cache, the checks of templates and MessageService. What was weighed stands in docs/adr/0028-messages.md.

mod address;
mod blocks;
mod css;
mod emit;
mod inline;
mod marks;
mod mjml;
mod names;
mod read;
mod select;
mod text;
mod tidy;
mod tree;

pub(crate) use names::{SCHEMES, has_scheme};

use blocks::Blocks;
use marks::{Marks, Piece, pieces};
use read::{Rules, read};
use tree::{Element, Tree};

use super::expression::Kinds;
use super::finding::{Finding, Place, Problem};
use super::limits::Limits;
use super::markup::Word;
use super::program::{File, Letter, Machine, Mode, Program, Style, check as check_ops};
use super::template::Format;
use super::value::{Fields, Kind};

/// Bytes of a template.
pub const BYTES: usize = 1 << 20;
/// Bytes of one part of a message: mail programs cut off what is far smaller, and mailings hold many at once.
const OUTPUT: usize = 1 << 20;
/// Characters of a subject.
pub const SUBJECT: usize = 2_000;
/// Bytes of the HTML with its styles written in, before any field is filled.
const COMPILED: usize = 6 << 20;
/// Bytes of HTML behind which some mail programs cut a message off.
const CUT_OFF: usize = 102 * 1_024;

/// The caps for messages: a thousand of them are made where one letter is.
pub fn limits() -> Limits {
    Limits { template_bytes: BYTES, tags: 2_000, steps: 1_000_000, output_bytes: OUTPUT, ..Limits::default() }
}

/// A compiled template of messages. It may be shared between threads.
#[derive(Debug)]
pub struct Message {
    format: Format,
    limits: Limits,
    html: Option<Program>,
    text: Program,
    places: Vec<Place>,
    /// Lines of pictures without a text.
    silent: Vec<u32>,
}

/// A text with fields that stands beside a template: a subject, or the plain text.
#[derive(Debug)]
pub struct Snippet {
    program: Program,
    places: Vec<Place>,
    limits: Limits,
}

/// A message that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// One line.
    pub subject: String,
    /// Empty for a template of plain text.
    pub html: String,
    /// Plain text.
    pub text: String,
}

impl Message {
    /// Compiles a template of one of the formats of messages. All that is wrong is told; with a finding there is none.
    pub fn compile(format: Format, bytes: &[u8], limits: &Limits) -> Result<Message, Vec<Finding>> {
        let whole = |problem| vec![Finding { place: Place::default(), problem }];
        if bytes.len() > limits.template_bytes {
            let why = format!("{} bytes, {} are allowed", bytes.len(), limits.template_bytes);
            return Err(whole(Problem::Limit(why)));
        }
        let source = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        let source = source.ok_or_else(|| whole(Problem::Package("it is no text in UTF-8".to_owned())))?;
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        let message = match format {
            Format::Text => Self::of_text(source, limits),
            Format::Mjml => Self::of_mjml(source, limits),
            _ => Self::of_html(source, limits),
        };
        let mut message = message.map_err(|mut findings| {
            findings.truncate(100);
            findings
        })?;
        message.format = format;
        Ok(message)
    }

    fn of_text(source: &str, limits: &Limits) -> Result<Message, Vec<Finding>> {
        let Snippet { program, places, limits } = plain(source, "text", limits)?;
        Ok(Message { format: Format::Text, limits, html: None, text: program, places, silent: Vec::new() })
    }

    fn of_html(source: &str, limits: &Limits) -> Result<Message, Vec<Finding>> {
        let mut marks = Marks::new("html");
        let marked = marks.mark(source, true, limits);
        Self::of_tree(&marked, "", marks, limits)
    }

    fn of_mjml(source: &str, limits: &Limits) -> Result<Message, Vec<Finding>> {
        let mut marks = Marks::new("mjml");
        let marked = marks.mark(source, true, limits);
        let Some(made) = mjml::compile(&marked, &mut marks) else { return Err(marks.findings) };
        // Lines of the HTML are none of the source.
        let before = marks.findings.len();
        Self::of_tree(&made.html, &made.style, marks, limits).map_err(|mut findings| {
            for finding in &mut findings[before..] {
                if finding.place.tag.is_empty() || finding.place.tag.starts_with('<') {
                    finding.place.paragraph = 0;
                }
            }
            findings
        })
    }

    fn of_tree(
        marked: &str,
        style: &str,
        mut marks: Marks,
        limits: &Limits,
    ) -> Result<Message, Vec<Finding>> {
        let is_mjml = !marks.is_part("html");
        let Some(mut tree) = read(marked, Rules::Html, &mut marks) else { return Err(marks.findings) };
        if is_mjml {
            inline::only(&mut tree, style, &mut marks);
        } else {
            inline::inline(&mut tree, &mut marks);
        }
        let (before, behind) = around(&mut tree);
        let html = emit::emit(&tree, (before, behind), &mut marks);
        let text = text::derive(&tree, &mut marks);
        if html.pool.len() > COMPILED {
            let why = format!("the HTML has {} bytes, {COMPILED} are allowed", html.pool.len());
            marks.wrong(0, "", Problem::Limit(why));
        }
        if !marks.findings.is_empty() {
            return Err(marks.findings);
        }
        let silent = tree.all().filter(|(_, it)| &*it.name == "img" && it.attribute("alt").is_none());
        let silent = silent.map(|(_, it)| if is_mjml { 0 } else { it.line }).collect();
        let (html, places, limits) = (Some(html), marks.places, limits.clone());
        Ok(Message { format: Format::Html, limits, html, text, places, silent })
    }

    /// Its format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// About how many bytes of memory it holds.
    pub fn weight(&self) -> usize {
        let html = self.html.as_ref().map_or(0, |html| html.pool.len());
        html + self.text.pool.len() + self.places.len() * 512 + 16 * 1024
    }

    /// Checks it against the fields that exist.
    pub fn check(&self, fields: &Fields) -> Vec<Finding> {
        let mut findings = match &self.html {
            Some(html) => checked(html, &self.places, fields),
            None => checked(&self.text, &self.places, fields),
        };
        findings.truncate(100);
        findings
    }

    /// What is better otherwise, by itself.
    pub fn warnings(&self) -> Vec<Finding> {
        let place = |line| Place { part: "html".into(), paragraph: line, tag: "<img>".into() };
        let silent = self.silent.iter().take(10).map(|line| Finding {
            place: place(*line),
            problem: Problem::Markup("the picture has no alt: who sees no pictures sees nothing".to_owned()),
        });
        let mut found: Vec<Finding> = silent.collect();
        let size = self.html.as_ref().map_or(0, |html| html.pool.len());
        if size > CUT_OFF {
            let why = format!("the HTML has {size} bytes: some mail programs cut it off behind {CUT_OFF}");
            found.push(Finding::in_part("html", Problem::Markup(why)));
        }
        found
    }

    /// Makes a message; nothing when the template leaves this recipient out.
    pub fn make(
        &self,
        subject: &Snippet,
        text: Option<&Snippet>,
        letter: Letter<'_>,
    ) -> Result<Option<Made>, Finding> {
        let Some(subject) = run(&subject.program, &subject.places, &subject.limits, letter)? else {
            return Ok(None);
        };
        let html = match &self.html {
            Some(html) => match run(html, &self.places, &self.limits, letter)? {
                Some(html) => html,
                None => return Ok(None),
            },
            None => String::new(),
        };
        let text = match text {
            Some(text) => run(&text.program, &text.places, &text.limits, letter)?,
            None => {
                let raw = run(&self.text, &self.places, &self.limits, letter)?;
                raw.map(|raw| if self.html.is_some() { tidy::tidy(&raw) } else { raw })
            }
        };
        let Some(text) = text else { return Ok(None) };
        Ok(Some(Made { subject: tidy::line(&subject), html, text }))
    }
}

impl Snippet {
    /// A subject.
    pub fn subject(source: &str) -> Result<Snippet, Vec<Finding>> {
        let limits = limits();
        let mut marks = Marks::new("subject");
        if source.chars().count() > SUBJECT || source.contains(['\n', '\r', '\0']) {
            let why = format!("a subject is one line of at most {SUBJECT} characters");
            marks.wrong(0, "", Problem::Limit(why));
            return Err(marks.findings);
        }
        let marked = marks.mark(source, false, &limits);
        let mut blocks = Blocks::default();
        for piece in pieces(&marked) {
            match piece {
                Piece::Text(text) => blocks.text(text),
                Piece::Tag(number) => blocks.tag(number, Style::Line, 0, &mut marks),
            }
        }
        finished(blocks, marks, &limits)
    }

    /// The plain text beside the HTML.
    pub fn text(source: &str) -> Result<Snippet, Vec<Finding>> {
        let limits = limits();
        if source.len() > BYTES || source.contains('\0') {
            let why = format!("a text has at most {BYTES} bytes");
            return Err(vec![Finding::in_part("text", Problem::Limit(why))]);
        }
        plain(source, "text", &limits)
    }

    /// Checks it against the fields that exist.
    pub fn check(&self, fields: &Fields) -> Vec<Finding> {
        checked(&self.program, &self.places, fields)
    }
}

/// Adds the fields that only messages have.
pub fn with_own_fields(fields: Fields, unsubscribe: bool) -> Fields {
    let mut own = Fields::new().with("view_url", Kind::Text);
    if unsubscribe {
        own = own.with("unsubscribe_url", Kind::Text);
    }
    fields.group("message", own)
}

fn checked(program: &Program, places: &[Place], fields: &Fields) -> Vec<Finding> {
    let mut kinds = Kinds::new(fields);
    let mut findings = Vec::new();
    check_ops(&program.body, &mut kinds, places, &mut findings);
    findings
}

fn run(
    program: &Program,
    places: &[Place],
    limits: &Limits,
    letter: Letter<'_>,
) -> Result<Option<String>, Finding> {
    let file = File::new(Vec::with_capacity(program.pool.len() + 1024), "");
    let mut machine = Machine::new(file, letter, Mode::Single, limits, places);
    if !machine.run(program, &program.body)? {
        return Ok(None);
    }
    let text = String::from_utf8(machine.file.out);
    text.map(Some).map_err(|_| Finding {
        place: Place::default(),
        problem: Problem::Package("it is no text".to_owned()),
    })
}

/// Plain text with fields. A line with nothing but blocks is no line.
fn plain(source: &str, part: &str, limits: &Limits) -> Result<Snippet, Vec<Finding>> {
    let mut marks = Marks::new(part);
    let source = source.replace("\r\n", "\n");
    let marked = marks.mark(&source, false, limits);
    let mut blocks = Blocks::default();
    for line in marked.split_inclusive('\n') {
        let pieces = pieces(line);
        let is_block = |piece: &Piece<'_>| match piece {
            Piece::Text(text) => text.trim().is_empty(),
            Piece::Tag(number) => !matches!(marks.words[*number as usize].0, Word::Output(..)),
        };
        let only_blocks = pieces.iter().any(|it| matches!(it, Piece::Tag(_))) && pieces.iter().all(is_block);
        for piece in pieces {
            match piece {
                Piece::Text(_) if only_blocks => {}
                Piece::Text(text) => blocks.text(text),
                Piece::Tag(number) => blocks.tag(number, Style::Plain, 0, &mut marks),
            }
        }
    }
    finished(blocks, marks, limits)
}

fn finished(blocks: Blocks, mut marks: Marks, limits: &Limits) -> Result<Snippet, Vec<Finding>> {
    let program = blocks.program(&mut marks);
    if !marks.findings.is_empty() {
        return Err(marks.findings);
    }
    Ok(Snippet { program, places: marks.places, limits: limits.clone() })
}

/// What a whole document has and this one may lack, before and behind it; and the character set in its head.
fn around(tree: &mut Tree) -> (&'static str, &'static str) {
    if let Some(head) = tree.first("head") {
        let says = |element: &Element| {
            element.attribute("charset").is_some()
                || element.attribute("http-equiv").is_some_and(|it| it.eq_ignore_ascii_case("content-type"))
        };
        if !tree.all().any(|(_, element)| &*element.name == "meta" && says(element)) {
            let attributes = vec![("charset".into(), Some("utf-8".into()))];
            tree.put_first(head, Element { name: "meta".into(), attributes, children: Vec::new(), line: 0 });
        }
    }
    let starts_with_doctype = tree
        .top
        .first()
        .is_some_and(|id| matches!(tree.node(*id), tree::Node::Raw(raw) if raw.starts_with("<!")));
    match (tree.first("html").is_some(), tree.first("body").is_some() || tree.first("head").is_some()) {
        (true, _) if starts_with_doctype => ("", ""),
        (true, _) => ("<!DOCTYPE html>\n", ""),
        (false, true) => ("<!DOCTYPE html>\n<html>", "</html>"),
        (false, false) => {
            ("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>", "</body></html>")
        }
    }
}
