//! How far an address has come where a field stands in it, whatever its blocks do: that decides how the field is written. The same for HTML and for plain text.
//! Called by emit.rs and text.rs.

use crate::domain::markup::Word;
use crate::domain::program::Place;

/// The state at the beginning of an open block, what its arms came to, and whether one of them always runs.
type Around = (Place, Option<Place>, bool);

/// An address that is read from its beginning.
pub(super) struct Address {
    place: Place,
    around: Vec<Around>,
}

impl Address {
    pub(super) fn new() -> Address {
        Address { place: Place::Start, around: Vec::new() }
    }

    /// Where the next piece stands.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Goes over static text. What of it counts: readers drop blanks before an address, and without them a field sees that nothing stands before it.
    pub(super) fn text<'t>(&mut self, text: &'t str) -> &'t str {
        let may_begin = matches!(self.place, Place::Start | Place::Behind);
        let text = if may_begin { text.trim_start() } else { text };
        if text.is_empty() {
            return text;
        }
        if self.place == Place::Start {
            self.place = Place::Path;
        }
        if matches!(self.place, Place::Path | Place::Behind) && text.contains(['?', '#']) {
            self.place = Place::Query;
        }
        text
    }

    /// Goes over a tag.
    pub(super) fn tag(&mut self, word: Option<&Word>) {
        match word {
            Some(Word::Output(..)) if self.place == Place::Start => self.place = Place::Behind,
            Some(Word::If(..) | Word::For(..)) => self.around.push((self.place, None, false)),
            Some(word @ (Word::Elif(..) | Word::Else)) => {
                if let Some((begin, came_to, always)) = self.around.last_mut() {
                    *came_to = Some(joined(*came_to, self.place));
                    *always = matches!(word, Word::Else);
                    self.place = *begin;
                }
            }
            Some(Word::EndIf | Word::EndFor) => {
                if let Some((begin, came_to, always)) = self.around.pop() {
                    self.place = joined(came_to, self.place);
                    if !always {
                        self.place = joined(Some(begin), self.place);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The more careful of two states.
fn joined(one: Option<Place>, other: Place) -> Place {
    match (one, other) {
        (None, other) => other,
        (Some(Place::Start), _) | (_, Place::Start) => Place::Start,
        (Some(Place::Query), _) | (_, Place::Query) => Place::Query,
        (Some(Place::Behind), _) | (_, Place::Behind) => Place::Behind,
        _ => Place::Path,
    }
}
