//! Tells the directory who is in the segments, so that each is a book that users read over CardDAV (D10, ADR 26). One process of the installation does it, the one that writes
//! memberships. Started by lib.rs.
//!
//! What was told stands in the database; each round tells the difference to what is so now.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::{Conn, Db, Tx};
use kontor_proto::directory::v1::{DeleteSegmentBookRequest, PutSegmentBookRequest};
use roaring::RoaringBitmap;

use crate::domain::segment::Segment;
use crate::engine::{Live, segment_name};
use crate::pulls::Sources;
use crate::store;
use crate::store::book::{Again, Book};

/// Members of a segment that has a book at most: what telephones and mail programs hold, and what a first sync may cost.
const MOST: u64 = 10_000;
/// A segment that was too large has a book again from here on, so that one more and one less do not empty and fill it.
const AGAIN: u64 = 9_000;
/// Partners in one request.
const BATCH: usize = 500;
/// Partners that are told again in one round.
const AGAIN_AT_ONCE: i64 = 1_000;
/// How often to look.
const LOOK: Duration = Duration::from_millis(300);
/// A round may take a part of the time, for the directory has other writes: after one of a second, the next begins this many later.
const REST: u32 = 4;
/// But not later than this.
const LONGEST: Duration = Duration::from_secs(10);
/// Pause when the directory does not answer.
const LATER: Duration = Duration::from_secs(2);

/// Tells for as long as the process runs.
pub fn start(context: &Context, db: &Db, live: &Live, sources: &Sources) {
    let worker = Worker { db: db.clone(), live: live.clone(), sources: sources.clone() };
    context.spawn(async move {
        let mut told = None;
        let mut seen = None;
        loop {
            let (mut pause, begun) = (LOOK, Instant::now());
            if !worker.live.is_writing() {
                told = None;
            } else if let Err(cause) = worker.look(&mut told, &mut seen).await {
                tracing::warn!(cause = %cause, "books of segments can't be told");
                (told, pause) = (None, LATER);
            }
            tokio::time::sleep(pause.max((begun.elapsed() * REST).min(LONGEST))).await;
        }
    });
}

/// What a book has to be told.
struct News {
    segment: Segment,
    /// Nothing was told of it so far.
    is_new: bool,
    large: bool,
    joined: RoaringBitmap,
    left: RoaringBitmap,
}

struct Worker {
    db: Db,
    live: Live,
    sources: Sources,
}

type Told = BTreeMap<String, Book>;

impl Worker {
    /// A round, when anything joined, left, or was changed since the last one: memberships by the engine's number, names and teams by the versions of the segments.
    async fn look(&self, told: &mut Option<Told>, seen: &mut Option<(u64, (i64, i64))>) -> Result<()> {
        let now = Some((self.live.generation(), self.db.read(store::segment::stamp).await?));
        let again = self.db.read(|conn| store::book::again(conn, AGAIN_AT_ONCE)).await?;
        if told.is_none() || *seen != now || !again.is_empty() {
            self.round(told, again).await?;
            *seen = now;
        }
        Ok(())
    }

    async fn round(&self, told: &mut Option<Told>, again: Vec<Again>) -> Result<()> {
        let anew: RoaringBitmap = again.iter().map(|it| it.ord).collect();
        let known = match told.take() {
            Some(known) => known,
            None => self.db.read(store::book::all).await?,
        };
        let segments = self.db.read(store::segment::all_live).await?;
        let live: BTreeSet<&str> = segments.iter().map(|it| it.id.as_str()).collect();
        let gone: Vec<String> = known.keys().filter(|id| !live.contains(id.as_str())).cloned().collect();
        let (mut known, news) = self
            .live
            .ask(move |engine| {
                let members = |id: &str| engine.members(&segment_name(id));
                let news: Vec<News> = segments
                    .into_iter()
                    .filter_map(|it| news(known.get(&it.id), members(&it.id), &anew, it))
                    .collect();
                Ok((known, news))
            })
            .await?;
        // One book that can't be told holds up no other.
        let mut failure = None;
        for one in news {
            let id = one.segment.id.clone();
            match self.tell(one, known.remove(&id).unwrap_or_default()).await {
                Ok(book) => drop(known.insert(id, book)),
                Err(cause) => failure = Some(cause),
            }
        }
        for id in gone {
            match self.forget(&id).await {
                Ok(()) => drop(known.remove(&id)),
                Err(cause) => failure = Some(cause),
            }
        }
        // What was noted of a book that failed half is read again.
        if let Some(cause) = failure {
            return Err(cause);
        }
        if !again.is_empty() {
            let live = self.live.clone();
            let write = move |tx: &mut Tx<'_>| {
                live.check_writing(tx)?;
                store::book::told_again(tx, &again)
            };
            self.db.write(write).await?;
        }
        *told = Some(known);
        Ok(())
    }

    async fn forget(&self, id: &str) -> Result<()> {
        let request = DeleteSegmentBookRequest { segment: segment_name(id) };
        self.sources.books().delete_segment_book(Caller::system().request(request)).await?;
        let (live, id) = (self.live.clone(), id.to_owned());
        let write = move |tx: &mut Tx<'_>| {
            live.check_writing(tx)?;
            store::book::forget(tx, &id)
        };
        self.db.write(write).await
    }

    /// Tells a book's news in parts, and notes each.
    async fn tell(&self, news: News, mut book: Book) -> Result<Book> {
        let mut changes =
            news.left.iter().map(|ord| (ord, false)).chain(news.joined.iter().map(|ord| (ord, true)));
        let mut is_first = true;
        loop {
            let part: Vec<(u32, bool)> = changes.by_ref().take(BATCH).collect();
            if part.is_empty() && !is_first {
                return Ok(book);
            }
            let (joined, left): (Vec<_>, Vec<_>) = part.iter().partition(|(_, joined)| *joined);
            let ords = |some: Vec<(u32, bool)>| some.into_iter().map(|(ord, _)| ord).collect::<Vec<u32>>();
            let request = PutSegmentBookRequest {
                segment: news.segment.full_name(),
                display_name: news.segment.display_name.clone(),
                description: description(&news.segment, news.large),
                team: news.segment.team.clone(),
                clear: news.is_new && is_first,
                joined: self.names(ords(joined)).await?,
                left: self.names(ords(left)).await?,
            };
            self.sources.books().put_segment_book(Caller::system().request(request)).await?;
            for (ord, joined) in part {
                if joined {
                    book.members.insert(ord)
                } else {
                    book.members.remove(ord)
                };
            }
            (book.version, book.large) = (news.segment.version, news.large);
            let (live, id, now) = (self.live.clone(), news.segment.id.clone(), book.clone());
            let write = move |tx: &mut Tx<'_>| {
                live.check_writing(tx)?;
                store::book::put(tx, &id, &now)
            };
            self.db.write(write).await?;
            is_first = false;
        }
    }

    async fn names(&self, ords: Vec<u32>) -> Result<Vec<String>> {
        if ords.is_empty() {
            return Ok(Vec::new());
        }
        let read = move |conn: &mut Conn<'_>| store::partner::names(conn, &ords);
        self.db.read(read).await
    }
}

/// What is to be told of a segment; none when all was. Who is in `anew` is told again where the book has it.
fn news(
    told: Option<&Book>,
    members: Option<&RoaringBitmap>,
    anew: &RoaringBitmap,
    segment: Segment,
) -> Option<News> {
    // One that the engine has not seen yet comes with the next round.
    let members = members?;
    let was_large = told.is_some_and(|book| book.large);
    let large = members.len() > if was_large { AGAIN } else { MOST };
    let none = RoaringBitmap::new();
    let (before, now) = (told.map_or(&none, |book| &book.members), if large { &none } else { members });
    let is_same = told
        .is_some_and(|book| book.version == segment.version && book.large == large && book.members == *now);
    let joined = now - &(before - anew);
    if is_same && joined.is_empty() {
        return None;
    }
    let left = before - now;
    Some(News { segment, is_new: told.is_none(), large, joined, left })
}

/// The text that a program shows beside the book.
fn description(segment: &Segment, large: bool) -> String {
    if !large {
        return segment.description.clone();
    }
    let why = format!(
        "This segment has more than {MOST} members. A book holds at most as many, so this one is empty until there are fewer than {AGAIN}; narrow the segment, or build a smaller one on it."
    );
    if segment.description.is_empty() { why } else { format!("{why}\n\n{}", segment.description) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> Segment {
        Segment {
            id: "all".into(),
            version: 1,
            display_name: "All".into(),
            description: "Everybody".into(),
            rule: "true".into(),
            parents: Vec::new(),
            team: String::new(),
            creator: String::new(),
            create_time: 0,
            update_time: 0,
            delete_time: None,
        }
    }

    fn members(count: u32) -> RoaringBitmap {
        (0..count).collect()
    }

    #[test]
    fn a_segment_that_is_too_large_has_an_empty_book_until_it_is_clearly_smaller() {
        let full = Book { version: 1, large: false, members: members(10_000) };
        assert!(news(Some(&full), Some(&members(10_000)), &members(0), segment()).is_none());
        let over =
            news(Some(&full), Some(&members(10_001)), &members(0), segment()).expect("it is too large");
        assert!(over.large && over.joined.is_empty() && over.left.len() == 10_000);
        assert!(description(&over.segment, true).ends_with("\n\nEverybody"));
        let empty = Book { version: 1, large: true, members: members(0) };
        assert!(news(Some(&empty), Some(&members(9_001)), &members(0), segment()).is_none());
        let back = news(Some(&empty), Some(&members(9_000)), &members(0), segment()).expect("it fits again");
        assert!(!back.large && back.joined.len() == 9_000);
    }

    #[test]
    fn only_the_difference_is_told_and_texts_with_it() {
        let told = Book { version: 1, large: false, members: members(3) };
        let now: RoaringBitmap = [1, 2, 7].into_iter().collect();
        let one = news(Some(&told), Some(&now), &members(0), segment()).expect("news");
        assert_eq!(
            (one.joined.iter().collect::<Vec<_>>(), one.left.iter().collect::<Vec<_>>()),
            (vec![7], vec![0])
        );
        let renamed = Segment { version: 2, ..segment() };
        let one = news(Some(&told), Some(&members(3)), &members(0), renamed).expect("other texts");
        assert!(one.joined.is_empty() && one.left.is_empty() && !one.is_new);
        assert!(news(None, Some(&members(0)), &members(0), segment()).expect("a new book").is_new);
        assert!(news(None, None, &members(0), segment()).is_none(), "the engine has not seen it yet");
    }

    #[test]
    fn whose_card_went_away_is_told_again_where_the_book_has_it() {
        let told = Book { version: 1, large: false, members: members(3) };
        let anew: RoaringBitmap = [1, 2, 9].into_iter().collect();
        let now: RoaringBitmap = [0, 1].into_iter().collect();
        let one = news(Some(&told), Some(&now), &anew, segment()).expect("one is told again");
        assert_eq!(
            (one.joined.iter().collect::<Vec<_>>(), one.left.iter().collect::<Vec<_>>()),
            (vec![1], vec![2])
        );
        let other: RoaringBitmap = [9].into_iter().collect();
        assert!(news(Some(&told), Some(&members(3)), &other, segment()).is_none(), "the book has it not");
    }
}
