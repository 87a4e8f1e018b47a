//! A mailing: what it says, who may get it, when it goes out, and how it is steered.
//! Called by rpc, the store and the sender.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::{Error, Result};

pub use super::basis::{Basis, Consent};
use super::hours::Hours;
use super::{Mailbox, header};

/// Recipients of one AddRecipients at most.
pub const ADDED_AT_ONCE: usize = 1_000;

/// How it stands. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is written.
    Draft = 1,
    /// It begins later.
    Scheduled = 2,
    /// Messages go out.
    Running = 3,
    /// Nothing goes out.
    Paused = 4,
    /// All were worked off.
    Completed = 5,
    /// Ended by hand.
    Cancelled = 6,
    /// Its end came.
    Expired = 7,
}

impl State {
    /// All, with their names in the API.
    pub const ALL: [(State, &'static str); 7] = [
        (State::Draft, "DRAFT"),
        (State::Scheduled, "SCHEDULED"),
        (State::Running, "RUNNING"),
        (State::Paused, "PAUSED"),
        (State::Completed, "COMPLETED"),
        (State::Cancelled, "CANCELLED"),
        (State::Expired, "EXPIRED"),
    ];

    /// Of the number in the database.
    pub fn of(number: i64) -> Option<State> {
        State::ALL.into_iter().find(|(state, _)| *state as i64 == number).map(|(state, _)| state)
    }

    /// Whether nothing comes any more.
    pub fn is_over(self) -> bool {
        matches!(self, State::Completed | State::Cancelled | State::Expired)
    }
}

/// A mailing.
#[derive(Clone, Debug, PartialEq)]
pub struct Mailing {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// Name for people.
    pub display_name: String,
    /// "templates/{template}" or one of its revisions.
    pub template: String,
    /// Subject with fields.
    pub subject: String,
    /// Plain text with fields; may be empty.
    pub text: String,
    /// From, as it was written; empty is the setting.
    pub sender: String,
    /// Where answers go; may be empty.
    pub reply_to: String,
    /// "teams/{team}", or empty.
    pub team: String,
    /// "users/{user}".
    pub owner: String,
    /// Who may get it.
    pub basis: Basis,
    /// Purpose of the consent.
    pub purpose: String,
    /// Values of the template's own fields, as protobuf.
    pub fields: Vec<u8>,
    /// Language of those that have none; may be empty.
    pub locale: String,
    /// Nothing before, microseconds UTC.
    pub start_time: Option<i64>,
    /// Nothing from then on.
    pub end_time: Option<i64>,
    /// Hours of the day.
    pub hours: Option<Hours>,
    /// Messages a minute; 0 is no limit.
    pub rate: i64,
    /// It goes on when all were sent to.
    pub keep_open: bool,
    /// How it stands.
    pub state: State,
    /// Why it was paused by itself.
    pub pause_reason: String,
    /// The revision since the start; empty before.
    pub revision: String,
    /// Recipients that the start meant.
    pub confirmed: i64,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
    /// When it ended.
    pub finish_time: Option<i64>,
}

impl Mailing {
    /// Resource name.
    pub fn full_name(&self) -> String {
        format!("mailings/{}", self.id)
    }

    /// Who may see and change it.
    pub fn guard(&self) -> Guard {
        Guard::new(&*self.owner, &*self.team)
    }

    /// Checks what somebody wrote.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        let line = |field: &str, text: &str, most: usize| {
            header::check(text).map_err(|why| Error::invalid(field, why))?;
            if text.chars().count() > most {
                return Err(Error::invalid(field, format!("write at most {most} characters")));
            }
            Ok(())
        };
        line("mailing.display_name", &self.display_name, 200)?;
        if self.display_name.is_empty() {
            return Err(Error::invalid("mailing.display_name", "write 1 to 200 characters"));
        }
        line("mailing.subject", &self.subject, 500)?;
        if self.subject.trim().is_empty() {
            return Err(Error::invalid("mailing.subject", "write 1 to 500 characters on one line"));
        }
        if self.text.chars().count() > 100_000 || self.text.contains('\0') {
            return Err(Error::invalid("mailing.text", "write at most 100,000 characters"));
        }
        for (field, text) in [("mailing.from", &self.sender), ("mailing.reply_to", &self.reply_to)] {
            if !text.is_empty() {
                Mailbox::parse(text).map_err(|why| Error::invalid(field, why))?;
            }
        }
        let is_purpose = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
        if !(1..=64).contains(&self.purpose.len()) || !self.purpose.bytes().all(is_purpose) {
            return Err(Error::invalid("mailing.purpose", "use 1 to 64 of a-z, 0-9 and \"-\""));
        }
        self.hours.map_or(Ok(()), Hours::check)?;
        if !(0..=1_000_000).contains(&self.rate) {
            return Err(Error::invalid(
                "mailing.messages_per_minute",
                "use 1 to 1,000,000, or 0 for no limit",
            ));
        }
        if let (Some(start), Some(end)) = (self.start_time, self.end_time)
            && end <= start
        {
            return Err(Error::invalid("mailing.end_time", "it must be behind start_time"));
        }
        Ok(())
    }

    /// Checks that a caller may give it this team: one of its own, or any for administrators.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the team.
    pub fn check_team(&self, caller: &Caller) -> Result<()> {
        let fits = self.team.is_empty()
            || caller.admin && self.team.starts_with("teams/")
            || caller.belongs_to(&self.team)
            || caller.leads(&self.team);
        if fits {
            return Ok(());
        }
        Err(Error::invalid("mailing.team", format!("{:?} is no team of yours", self.team)))
    }

    /// Checks that it can still be written.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason MAILING_STARTED or MAILING_ENDED.
    pub fn must_be_a_draft(&self) -> Result<()> {
        self.must_not_have_ended()?;
        if self.state == State::Draft {
            return Ok(());
        }
        let message =
            format!("{} was started: what it says and to whom can't be changed any more", self.full_name());
        Err(Error::precondition("MAILING_STARTED", message))
    }

    /// Checks that it goes on.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason MAILING_ENDED.
    pub fn must_not_have_ended(&self) -> Result<()> {
        if self.state.is_over() {
            let message = format!("{} has ended: make a new one", self.full_name());
            return Err(Error::precondition("MAILING_ENDED", message));
        }
        Ok(())
    }

    /// Starts it.
    ///
    /// # Errors
    /// FAILED_PRECONDITION, as the API says.
    pub fn start(&mut self, waiting: i64, expected: i64, now: i64) -> Result<()> {
        self.must_be_a_draft()?;
        self.must_have_time(now)?;
        if waiting == 0 && !self.keep_open {
            let message = format!("{} has no recipients that wait: add some first", self.full_name());
            return Err(Error::precondition("NO_RECIPIENTS", message));
        }
        // One that is filled while it runs is confirmed by whoever fills it.
        if waiting > 0 && (expected <= 0 || waiting > expected.saturating_add(expected / 10)) {
            let message = format!(
                "{} would go to {waiting} recipients: if they are meant, ask again with expected_recipients {waiting}",
                self.full_name()
            );
            return Err(Error::precondition("CONFIRM_COUNT", message).with("count", waiting.to_string()));
        }
        self.confirmed = waiting;
        let is_later = self.start_time.is_some_and(|start| start > now);
        self.state = if is_later { State::Scheduled } else { State::Running };
        Ok(())
    }

    fn must_have_time(&self, now: i64) -> Result<()> {
        if self.end_time.is_some_and(|end| end <= now) {
            let message = format!("the end_time of {} has passed: set a later one", self.full_name());
            return Err(Error::precondition("WINDOW_PAST", message));
        }
        Ok(())
    }

    /// Pauses it.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason MAILING_NOT_RUNNING.
    pub fn pause(&mut self, reason: &str) -> Result<()> {
        if !matches!(self.state, State::Running | State::Scheduled) {
            let message = format!("{} does not run, so it can't be paused", self.full_name());
            return Err(Error::precondition("MAILING_NOT_RUNNING", message));
        }
        self.state = State::Paused;
        self.pause_reason = reason.chars().take(1_000).collect();
        Ok(())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason MAILING_NOT_PAUSED or WINDOW_PAST.
    pub fn resume(&mut self, now: i64) -> Result<()> {
        if self.state != State::Paused {
            let message = format!("{} is not paused", self.full_name());
            return Err(Error::precondition("MAILING_NOT_PAUSED", message));
        }
        self.must_have_time(now)?;
        let is_later = self.start_time.is_some_and(|start| start > now);
        self.state = if is_later { State::Scheduled } else { State::Running };
        self.pause_reason.clear();
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason MAILING_ENDED.
    pub fn end(&mut self, state: State, now: i64) -> Result<()> {
        self.must_not_have_ended()?;
        self.state = state;
        self.pause_reason.clear();
        self.finish_time = Some(now);
        Ok(())
    }

    /// The state that the clock asks for: a scheduled one begins, and any that was started ends at its end.
    pub fn by_the_clock(&self, now: i64) -> Option<State> {
        let is_started = matches!(self.state, State::Scheduled | State::Running | State::Paused);
        if is_started && self.end_time.is_some_and(|end| end <= now) {
            return Some(State::Expired);
        }
        let begins = self.state == State::Scheduled && self.start_time.is_none_or(|start| start <= now);
        begins.then_some(State::Running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn mailing() -> Mailing {
        Mailing {
            id: "a".to_owned(),
            version: 1,
            display_name: "News".to_owned(),
            template: "templates/news".to_owned(),
            subject: "News".to_owned(),
            text: String::new(),
            sender: String::new(),
            reply_to: String::new(),
            team: String::new(),
            owner: "users/anna".to_owned(),
            basis: Basis::Consent,
            purpose: "mailings".to_owned(),
            fields: Vec::new(),
            locale: String::new(),
            start_time: None,
            end_time: None,
            hours: None,
            rate: 0,
            keep_open: false,
            state: State::Draft,
            pause_reason: String::new(),
            revision: String::new(),
            confirmed: 0,
            create_time: 0,
            update_time: 0,
            finish_time: None,
        }
    }

    #[test]
    fn a_start_asks_back_with_the_count() {
        let start = |waiting, expected| {
            let mut it = mailing();
            it.start(waiting, expected, 10).map(|()| it.state).map_err(|cause| cause.reason())
        };
        assert_eq!(start(100, 0), Err("CONFIRM_COUNT"));
        assert_eq!(start(111, 100), Err("CONFIRM_COUNT"));
        assert_eq!(start(110, 100), Ok(State::Running));
        assert_eq!(start(0, 5), Err("NO_RECIPIENTS"));
        let mut late = Mailing { end_time: Some(10), ..mailing() };
        assert_eq!(late.start(1, 1, 10).unwrap_err().reason(), "WINDOW_PAST");
        let mut open = Mailing { keep_open: true, start_time: Some(20), ..mailing() };
        open.start(0, 0, 10).unwrap();
        assert_eq!(open.state, State::Scheduled);
        assert_eq!(open.by_the_clock(19), None);
        assert_eq!(open.by_the_clock(20), Some(State::Running));
        assert_eq!(open.start(0, 0, 10).unwrap_err().reason(), "MAILING_STARTED");
    }

    #[test]
    fn an_end_ends_also_what_is_paused_and_nothing_twice() {
        let mut it = Mailing { end_time: Some(50), ..mailing() };
        assert_eq!(it.by_the_clock(60), None, "a draft has time");
        assert_eq!(it.pause("").unwrap_err().reason(), "MAILING_NOT_RUNNING");
        it.start(1, 1, 10).unwrap();
        it.pause("the relay refuses").unwrap();
        assert_eq!(it.by_the_clock(50), Some(State::Expired));
        assert_eq!(it.resume(50).unwrap_err().reason(), "WINDOW_PAST");
        it.resume(49).unwrap();
        assert_eq!((it.state, it.pause_reason.as_str()), (State::Running, ""));
        it.end(State::Cancelled, 49).unwrap();
        assert_eq!(it.end(State::Expired, 50).unwrap_err().reason(), "MAILING_ENDED");
    }

    #[test]
    fn headers_can_not_be_smuggled_in() {
        let bad = |it: Mailing| it.check().unwrap_err().field().unwrap_or_default().to_owned();
        assert_eq!(
            bad(Mailing { subject: "a\r\nBcc: b@example.com".to_owned(), ..mailing() }),
            "mailing.subject"
        );
        assert_eq!(bad(Mailing { subject: "a\0".to_owned(), ..mailing() }), "mailing.subject");
        assert_eq!(bad(Mailing { sender: "A\nB <a@example.com>".to_owned(), ..mailing() }), "mailing.from");
        assert_eq!(bad(Mailing { sender: "anna".to_owned(), ..mailing() }), "mailing.from");
        assert_eq!(bad(Mailing { reply_to: "anna@".to_owned(), ..mailing() }), "mailing.reply_to");
        assert_eq!(bad(Mailing { display_name: "a\rb".to_owned(), ..mailing() }), "mailing.display_name");
        assert!(mailing().check().is_ok());
    }
}
