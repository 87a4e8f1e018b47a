//! A campaign, by telephone or by mail: its states, when it asks back, when it stops by itself, and which number of a partner is called.
//! Called by rpc/campaign.rs and by the campaigns' work.

use kontor_kit::auth::{Caller, Guard};
use kontor_kit::{Error, Result};

use super::segment::check_name;

/// Members from which on a start has to be confirmed.
pub const MANY: u64 = 10_000;
/// So many may join a campaign at once, whatever it began with; more are asked back when they are half of it too.
const LEAP: u64 = 100;
/// And so many when all but a tenth of the known partners are members then; more are asked back when they are a tenth of it too.
const LEAP_TO_ALL: u64 = 10;
/// Excluded segments at most.
pub const EXCLUDED: usize = 10;

/// How it stands. The numbers are those of the API and of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started yet.
    Draft = 1,
    /// Members are put on the list.
    Running = 2,
    /// Nobody is added for now.
    Paused = 3,
    /// Nobody is added any more.
    Ended = 4,
}

impl State {
    /// Of the number in the database.
    pub fn of(number: i64) -> Option<State> {
        [State::Draft, State::Running, State::Paused, State::Ended]
            .into_iter()
            .find(|state| *state as i64 == number)
    }
}

/// What became of a partner. The numbers are those of the database, and but for the last one those of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// About to be offered.
    Pending = 1,
    /// On the list by the campaign.
    Added = 2,
    /// Its number was on the list.
    Listed = 3,
    /// No number.
    WithoutNumber = 4,
    /// Its number is not to be called.
    DoNotCall = 5,
    /// Telephony refused its number.
    Refused = 6,
    /// It left, and its entry was cancelled.
    Cancelled = 7,
    /// It left, and its entry is as it was.
    Left = 8,
    /// Another recipient of the mailing has its address. The API says of it what it says of `Listed`.
    Duplicate = 9,
}

impl Fate {
    /// All of them.
    pub const ALL: [Fate; 9] = [
        Fate::Pending,
        Fate::Added,
        Fate::Listed,
        Fate::WithoutNumber,
        Fate::DoNotCall,
        Fate::Refused,
        Fate::Cancelled,
        Fate::Left,
        Fate::Duplicate,
    ];

    /// Of the number in the database.
    pub fn of(number: i64) -> Option<Fate> {
        Fate::ALL.into_iter().find(|fate| *fate as i64 == number)
    }
}

/// A campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// Name for people.
    pub display_name: String,
    /// Id of the segment.
    pub segment: String,
    /// "callLists/{list}".
    pub call_list: String,
    /// "mailings/{mailing}" of a campaign by mail, which has no list; else empty.
    pub mailing: String,
    /// "teams/{team}", the list's.
    pub team: String,
    /// Ids of segments whose members are not called.
    pub excluded: Vec<String>,
    /// Entries of partners that leave stay as they are.
    pub keeps_leavers: bool,
    /// Priority of its entries, 0 to 9.
    pub priority: i32,
    /// How it stands.
    pub state: State,
    /// How many members its last start meant.
    pub confirmed: i64,
    /// Entries that wait are being cancelled after its end.
    pub cancelling: bool,
    /// Why it was paused by itself; empty when it was not.
    pub pause_reason: String,
    /// "users/{user}".
    pub creator: String,
    /// Microseconds UTC.
    pub create_time: i64,
    /// Microseconds UTC.
    pub update_time: i64,
    /// When it was last started.
    pub start_time: Option<i64>,
    /// When all members of its start were worked off.
    pub fill_time: Option<i64>,
}

impl Campaign {
    /// Resource name.
    pub fn full_name(&self) -> String {
        format!("campaigns/{}", self.id)
    }

    /// Who may see it.
    pub fn guard(&self) -> Guard {
        Guard::new("", &*self.team)
    }

    /// What it fills: "callLists/{list}" or "mailings/{mailing}".
    pub fn target(&self) -> &str {
        if self.mailing.is_empty() { &self.call_list } else { &self.mailing }
    }

    /// Checks that the caller may change it.
    ///
    /// # Errors
    /// NOT_FOUND when it may not be seen, PERMISSION_DENIED.
    pub fn must_be_managed_by(&self, caller: &Caller) -> Result<()> {
        caller.must_read(&self.guard(), &self.full_name())?;
        must_lead(caller, &self.team)
    }

    /// Checks what a caller gave.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        check_name("campaign.display_name", &self.display_name)?;
        if !(0..=9).contains(&self.priority) {
            return Err(Error::invalid("campaign.priority", "use 0 to 9"));
        }
        if self.excluded.len() > EXCLUDED {
            return Err(Error::invalid("campaign.excluded_segments", format!("name at most {EXCLUDED}")));
        }
        for (place, id) in self.excluded.iter().enumerate() {
            let field = format!("campaign.excluded_segments[{place}]");
            if *id == self.segment {
                return Err(Error::invalid(field, "the campaign's own segment would leave nobody"));
            }
            if self.excluded[..place].contains(id) {
                return Err(Error::invalid(field, format!("segments/{id} stands there twice")));
            }
        }
        Ok(())
    }

    /// Starts it, or lets it go on.
    ///
    /// # Errors
    /// FAILED_PRECONDITION, as the API says.
    pub fn start(&mut self, audience: Audience, expected: i64, now: i64) -> Result<()> {
        self.must_not_have_ended()?;
        self.confirmed = audience.confirm(&self.full_name(), self.reaches(), expected)?;
        self.state = State::Running;
        self.pause_reason.clear();
        self.start_time = Some(now);
        Ok(())
    }

    /// Pauses it.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason CAMPAIGN_NOT_RUNNING.
    pub fn pause(&mut self, reason: &str) -> Result<()> {
        if self.state != State::Running {
            let message = format!("{} does not run, so it can't be paused", self.full_name());
            return Err(Error::precondition("CAMPAIGN_NOT_RUNNING", message));
        }
        self.state = State::Paused;
        reason.clone_into(&mut self.pause_reason);
        Ok(())
    }

    /// Ends it.
    pub fn end(&mut self, cancel_waiting: bool) {
        self.state = State::Ended;
        self.pause_reason.clear();
        self.cancelling |= cancel_waiting;
    }

    /// Checks that it can be changed.
    ///
    /// # Errors
    /// FAILED_PRECONDITION with reason CAMPAIGN_ENDED.
    pub fn must_not_have_ended(&self) -> Result<()> {
        if self.state == State::Ended {
            let message = format!("{} has ended: make a new one", self.full_name());
            return Err(Error::precondition("CAMPAIGN_ENDED", message));
        }
        Ok(())
    }

    /// Why a campaign has to be confirmed anew when `done` of its members were worked off: a rule that somebody mended must not reach the whole company.
    ///
    /// Those who joined since then and were not meant at the start are the jump. A campaign that runs for long grows by small ones, and is left alone.
    pub fn outgrown(&self, audience: Audience, done: u64) -> Option<String> {
        let Audience { members, known } = audience;
        let meant = u64::try_from(self.confirmed).unwrap_or(0);
        let base = meant.max(done);
        let jump = members.saturating_sub(base);
        let why = if members > MANY.max(meant.saturating_mul(2)) {
            format!("the segment grew to {members} members")
        } else if jump > LEAP.max(base / 2) {
            format!("{jump} members joined at once, which makes {members}")
        } else if members >= known - known / 10 && jump > LEAP_TO_ALL.max(base / 10) {
            format!("{jump} members joined at once, and {members} of {known} known partners are members now")
        } else {
            return None;
        };
        Some(format!(
            "{why}, and {meant} were meant when the campaign was started: start it again with expected_members {members}"
        ))
    }

    /// What it does to partners.
    fn reaches(&self) -> &'static str {
        if self.mailing.is_empty() { "call" } else { "write to" }
    }
}

/// Checks that a caller may fill the lists of a team.
///
/// # Errors
/// PERMISSION_DENIED.
pub fn must_lead(caller: &Caller, team: &str) -> Result<()> {
    if caller.admin || caller.leads(team) {
        return Ok(());
    }
    Err(Error::denied(format!("campaigns of {team} are managed by its leaders: ask one of them")))
}

/// Whom a campaign is about.
#[derive(Clone, Copy, Debug)]
pub struct Audience {
    /// Members that are called or written to.
    pub members: u64,
    /// Partners that are known in all.
    pub known: u64,
}

impl Audience {
    /// Checks that so many were meant. Answers how many are.
    fn confirm(self, name: &str, reaches: &str, expected: i64) -> Result<i64> {
        let Audience { members, known } = self;
        let count = i64::try_from(members).map_err(Error::internal)?;
        let ask = |reason: &'static str, why: String| {
            let message = format!("{why}: if they are meant, ask again with expected_members {count}");
            Err(Error::precondition(reason, message).with("count", count.to_string()))
        };
        if expected > 0 {
            if count > expected.saturating_add(expected / 10) {
                return ask(
                    "TOO_MANY_MEMBERS",
                    format!("{name} would {reaches} {count} partners, not {expected}"),
                );
            }
            return Ok(count);
        }
        if members == known && members > 0 {
            return ask("MATCHES_EVERYBODY", format!("{name} would {reaches} all {count} partners"));
        }
        if members > MANY {
            return ask("MANY_MEMBERS", format!("{name} would {reaches} {count} partners"));
        }
        Ok(count)
    }
}

/// A telephone of a partner.
#[derive(Clone, Debug)]
pub struct Phone {
    /// E.164; empty when the text is no number.
    pub e164: String,
    /// Lower-case vCard types.
    pub types: Vec<String>,
}

/// The main telephone: the preferred one, else the first; never a fax or a pager.
pub fn main_number(phones: &[Phone]) -> Option<&str> {
    let has = |phone: &Phone, kind: &str| phone.types.iter().any(|one| one == kind);
    let mut good =
        phones.iter().filter(|it| !it.e164.is_empty() && !has(it, "fax") && !has(it, "pager")).peekable();
    let first = good.peek().copied();
    good.find(|phone| has(phone, "pref")).or(first).map(|phone| phone.e164.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_number_is_called_and_never_a_fax() {
        let phone = |e164: &str, types: &[&str]| Phone {
            e164: e164.into(),
            types: types.iter().map(|it| (*it).to_owned()).collect(),
        };
        let (fax, work, cell) =
            (phone("+321", &["fax", "pref"]), phone("+322", &["work"]), phone("+323", &["cell", "pref"]));
        assert_eq!(main_number(&[fax.clone(), work.clone(), cell.clone()]), Some("+323"));
        assert_eq!(main_number(&[fax.clone(), work]), Some("+322"));
        assert_eq!(main_number(&[fax, phone("", &[])]), None);
    }

    #[test]
    fn many_and_everybody_are_asked_back() {
        let ask = |members, known, expected| {
            Audience { members, known }
                .confirm("campaigns/a", "call", expected)
                .map_err(|cause| cause.reason().to_owned())
        };
        assert_eq!(ask(10_000, 20_000, 0), Ok(10_000));
        assert_eq!(ask(10_001, 20_000, 0), Err("MANY_MEMBERS".to_owned()));
        assert_eq!(ask(3, 3, 0), Err("MATCHES_EVERYBODY".to_owned()));
        assert_eq!(ask(3, 3, 3), Ok(3));
        assert_eq!(ask(110, 200, 100), Ok(110));
        assert_eq!(ask(111, 200, 100), Err("TOO_MANY_MEMBERS".to_owned()));
        assert_eq!(ask(0, 0, 0), Ok(0));
    }

    fn running(meant: i64) -> Campaign {
        Campaign {
            id: "a".to_owned(),
            version: 1,
            display_name: "A".to_owned(),
            segment: "all".to_owned(),
            call_list: "callLists/a".to_owned(),
            mailing: String::new(),
            team: "teams/a".to_owned(),
            excluded: Vec::new(),
            keeps_leavers: false,
            priority: 0,
            state: State::Running,
            confirmed: meant,
            cancelling: false,
            pause_reason: String::new(),
            creator: String::new(),
            create_time: 0,
            update_time: 0,
            start_time: None,
            fill_time: None,
        }
    }

    #[test]
    fn a_leap_is_asked_back_and_small_steps_are_not() {
        let asks = |meant, done, members, known| {
            running(meant).outgrown(Audience { members, known }, done).is_some()
        };
        // While those who were meant are worked off, and when they are.
        assert!(!asks(300, 0, 300, 3_000) && !asks(300, 120, 300, 3_000) && !asks(300, 300, 300, 3_000));
        // A rule that was mended.
        assert!(asks(300, 300, 2_900, 3_000) && asks(300, 120, 451, 3_000) && !asks(300, 120, 450, 3_000));
        assert!(asks(0, 0, 101, 3_000) && !asks(0, 0, 100, 3_000));
        // Everybody, in a small company.
        assert!(asks(20, 20, 40, 40) && asks(20, 20, 36, 40) && !asks(20, 20, 35, 40));
        assert!(!asks(2, 2, 3, 3) && !asks(500, 500, 550, 600) && asks(500, 500, 551, 600));
        // One that grew for months, and one that was meant for all of a company that grows.
        assert!(!asks(50, 900, 950, 20_000) && !asks(500, 500, 505, 505));
        assert!(asks(5_000, 10_000, 10_001, 90_000) && !asks(6_000, 10_000, 10_001, 90_000));
    }

    #[test]
    fn a_campaign_by_mail_writes() {
        let mut campaign = Campaign { mailing: "mailings/a".to_owned(), ..running(0) };
        let refused = campaign.start(Audience { members: 3, known: 3 }, 0, 0).expect_err("asked back");
        assert!(refused.message().starts_with("campaigns/a would write to all 3 partners"), "{refused}");
        let refused = running(0).start(Audience { members: 3, known: 3 }, 0, 0).expect_err("asked back");
        assert!(refused.message().starts_with("campaigns/a would call all 3 partners"), "{refused}");
    }
}
