//! A compiled part: static bytes and the places where letters differ. Made by the compilers, run by the machine.
//! Nothing here knows DOCX or ODT beyond how a value is written into them.

mod build;
mod check;
mod html;
mod machine;
mod write;

pub use build::Builder;
pub use check::check;
pub use machine::{File, Letter, Machine, Mode, NewList, Relation, header_id};
pub(crate) use write::write;

use super::expression::Filter;

use super::expression::Expr;

/// The number of a tag in its template's list of places.
pub type TagId = u32;

/// A list of operations.
pub type Ops = Vec<Op>;

/// One operation.
#[derive(Debug)]
pub enum Op {
    /// Copies bytes of the pool.
    Static {
        /// Where they begin.
        at: u32,
        /// How many.
        len: u32,
    },
    /// Writes a value.
    Field {
        /// What.
        expr: Expr,
        /// How.
        style: Style,
        /// Which tag it is.
        tag: TagId,
    },
    /// Runs the first arm that holds.
    If {
        /// Conditions with what they bring.
        arms: Vec<(Expr, TagId, Ops)>,
        /// When none holds.
        otherwise: Ops,
    },
    /// Runs its body for each element of a list.
    For {
        /// The list.
        list: Expr,
        /// Which tag it is.
        tag: TagId,
        /// For each element.
        body: Ops,
        /// When there is none.
        otherwise: Ops,
    },
    /// Runs its body the first time only: bookmarks may not stand twice in a document.
    Once {
        /// The number of this place.
        mark: u32,
        /// What stands once.
        body: Ops,
    },
    /// Adds something when the body does not end as the format wants: a cell must end with a paragraph.
    Tail {
        /// What is written.
        body: Ops,
        /// How it must end.
        wanted: &'static str,
        /// What is added otherwise.
        instead: &'static str,
    },
    /// Takes the head back when the body writes nothing: a table without rows is none.
    Whole {
        /// What stands before.
        head: Ops,
        /// What must not be empty.
        body: Ops,
        /// What stands behind.
        tail: Ops,
    },
    /// A number that no other place has.
    Unique,
    /// A number that is the template's in the first letter and another one in each further letter of a joined file.
    Mapped {
        /// What it names.
        kind: Mapped,
        /// The template's number.
        id: u32,
    },
    /// A picture of the data in the place of one of the template; nothing when there is none.
    Picture {
        /// The picture.
        expr: Expr,
        /// Which tag it is.
        tag: TagId,
        /// The template's picture, with `PictureLink` and `PictureSize` in it.
        body: Ops,
    },
    /// The name by which the document finds the picture's file.
    PictureLink,
    /// A side of the picture, fitted into the template's box.
    PictureSize {
        /// Width, not height.
        is_width: bool,
        /// The box in whole units.
        width: u64,
        /// The box in whole units.
        height: u64,
        /// Units in one of `unit`, to write it as a decimal; 1 for whole numbers.
        scale: u64,
        /// Behind the number.
        unit: &'static str,
    },
    /// The relation by which DOCX finds a link's target.
    Link {
        /// The target.
        target: Expr,
        /// Which tag it is.
        tag: TagId,
    },
    /// Goes on to the next record, if the condition holds.
    Next {
        /// Word's NEXTIF.
        condition: Option<Expr>,
        /// Which tag it is.
        tag: TagId,
    },
    /// Leaves the letter out if the condition holds.
    Skip {
        /// Word's SKIPIF.
        condition: Expr,
        /// Which tag it is.
        tag: TagId,
    },
    /// Remembers where the joiner may put a section's end.
    SectionMark,
    /// Other operations in letters behind the first of a joined file.
    Following {
        /// In the first letter, and in single ones.
        first: Ops,
        /// In the others.
        others: Ops,
    },
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Into `w:t`: line breaks and tabs become elements.
    WordText,
    /// Into `w:instrText`: on one line, quotes escaped.
    WordInstruction,
    /// Into a paragraph of ODT: line breaks, tabs and repeated spaces become elements.
    OdtText,
    /// Into an attribute that is a link's target.
    Target,
    /// Into the text of HTML: line breaks become elements.
    HtmlText,
    /// Into an attribute, a title or preformatted text of HTML.
    HtmlLine,
    /// Into a style attribute of HTML: only what a value of one property may be.
    HtmlCss,
    /// Into an attribute of HTML that is an address.
    HtmlAddress(Place),
    /// Into plain text.
    Plain,
    /// Into an address in plain text: encoded as in HTML, so that both lead to the same.
    PlainAddress(Place),
    /// Into one line of plain text.
    Line,
}

/// Where in an address a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At its beginning: the value brings the scheme.
    Start,
    /// Behind the scheme, before the question mark.
    Path,
    /// Behind a field that may be empty: this one may still be the beginning.
    Behind,
    /// Behind the question mark.
    Query,
    /// Anywhere; the template's filter encoded it.
    Encoded,
}

impl Style {
    /// The style for an expression: what the filter `urlencode` encoded is not encoded again.
    pub fn for_expr(self, expr: &Expr) -> Style {
        match (self, expr) {
            (
                Style::HtmlAddress(Place::Path | Place::Behind | Place::Query),
                Expr::Filter(_, Filter::Address, _),
            ) => Style::HtmlAddress(Place::Encoded),
            (Style::PlainAddress(_), Expr::Filter(_, Filter::Address, _)) => Style::Plain,
            (style, _) => style,
        }
    }
}

/// What a mapped number names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapped {
    /// A list: it begins anew in each letter.
    List,
    /// A footnote.
    Footnote,
    /// An endnote.
    Endnote,
    /// A header or footer, by its number among the template's dynamic ones.
    Header,
}

/// A compiled part of a package.
#[derive(Debug, Default)]
pub struct Program {
    /// The static bytes of all operations.
    pub pool: Vec<u8>,
    /// Before the body.
    pub head: Ops,
    /// What repeats in a joined file.
    pub body: Ops,
    /// The end of a section, where the format has one.
    pub section: Ops,
    /// Behind the body.
    pub tail: Ops,
}

impl Program {
    /// The segments in the order of the part.
    pub fn segments(&self) -> [&Ops; 4] {
        [&self.head, &self.body, &self.section, &self.tail]
    }

    /// Whether the data change nothing in it, so that the template's own file serves for a single letter.
    pub fn is_same_for_all(&self) -> bool {
        let is_same =
            |op: &Op| matches!(op, Op::Static { .. } | Op::Unique | Op::Once { .. } | Op::Mapped { .. });
        self.segments().into_iter().flatten().all(is_same)
    }
}
