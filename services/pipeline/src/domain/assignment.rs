//! Who fits an opportunity, and how well: hard filters, a weighted sum, ties.
//! Called by rpc/assignment.rs, store/assignment.rs and plan.rs. All sums are whole numbers, so that every copy answers the same.

use std::fmt;

use kontor_kit::{Error, Result};
use sha2::{Digest, Sha256};

/// The window of a capacity, in microseconds: 30 days, half open. What was given exactly 30 days ago no longer counts.
pub const WINDOW: i64 = 30 * 86_400 * 1_000_000;

/// What an empty window is worth, in thousandths.
const CAPACITY: i64 = 10_000;

/// How far ahead the calendar is asked, in microseconds: 14 days.
pub const AHEAD: i64 = 14 * 86_400 * 1_000_000;
/// A free time shorter than this is none: half an hour.
const SLOT: i64 = 1_800 * 1_000_000;
/// An hour in microseconds.
const HOUR: i64 = 3_600 * 1_000_000;

/// A skill and its level, 1 to 10.
pub type Skill = (String, i32);

/// A place, in millionths of a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// North.
    pub latitude: i64,
    /// East.
    pub longitude: i64,
}

/// A user that opportunities are assigned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user's id.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// "teams/{team}".
    pub team: String,
    /// Gets opportunities.
    pub active: bool,
    /// In any 30 days.
    pub capacity: i32,
    /// Skills.
    pub skills: Vec<Skill>,
    /// "BE" or "BE-90"; everywhere when empty.
    pub territories: Vec<String>,
    /// Where it starts from.
    pub home: Option<Point>,
    /// In km; 0 is no limit.
    pub radius_km: i32,
    /// -100 to 100.
    pub preference: i32,
}

/// What an opportunity asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// At least these.
    pub skills: Vec<Skill>,
    /// Two letters, or empty.
    pub country: String,
    /// Or empty.
    pub postcode: String,
    /// Where it is.
    pub place: Option<Point>,
    /// By when it must be answered: microseconds since 1970 UTC.
    pub deadline: Option<i64>,
}

/// What a member had before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Given in the last 30 days.
    pub recent: i64,
    /// When it was given the last one; 0 is never.
    pub last: i64,
    /// Until when it is away; none when it is there.
    pub away: Option<i64>,
    /// When it has time for the first time; none when it has not within `AHEAD`.
    pub free: Option<i64>,
    /// The instant that all this is of.
    pub now: i64,
    /// The user can't sign in any more.
    pub disabled: bool,
}

/// A member's time from an instant on, in microseconds since 1970 UTC, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// Absences.
    pub away: Vec<(i64, i64)>,
    /// All that is not free: absences, meetings, hours without work.
    pub taken: Vec<(i64, i64)>,
}

impl Days {
    /// Until when it is away at this instant; absences that follow each other are one.
    pub fn away_at(&self, now: i64) -> Option<i64> {
        let mut until = now;
        for (start, end) in &self.away {
            if *start <= until && *end > until {
                until = *end;
            }
        }
        (until > now).then_some(until)
    }

    /// The first half hour that is free.
    pub fn free_from(&self, now: i64) -> Option<i64> {
        let mut free = now;
        for (start, end) in &self.taken {
            if *start >= free + SLOT {
                break;
            }
            free = free.max(*end);
        }
        (free + SLOT <= now + AHEAD).then_some(free)
    }
}

/// An item of the queue.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// Id of the opportunity.
    pub id: String,
    /// What it asks for.
    pub need: Need,
    /// Members that have or had an opportunity of the same partner.
    pub known: Vec<String>,
}

/// Why a member can't get an opportunity, in words that do not tell why somebody is away.
enum Refusal<'a> {
    Disabled,
    NotActive,
    /// Given, and the capacity.
    Full(i64, i32),
    /// Until.
    Away(i64),
    /// Before.
    NoTime(i64),
    /// Its level, and the one that is needed.
    Skill(&'a str, i32, i32),
    Outside(&'a Need),
    /// Metres, and the radius in km.
    Far(i64, i32),
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Disabled => write!(out, "disabled"),
            Refusal::NotActive => write!(out, "not active"),
            Refusal::Full(recent, capacity) => write!(out, "has {recent} of {capacity} in 30 days"),
            Refusal::Away(until) => write!(out, "away until {}", instant(*until)),
            Refusal::NoTime(deadline) => write!(out, "no time before {}", instant(*deadline)),
            Refusal::Skill(skill, had, needed) => write!(out, "{skill} is {had}, {needed} is needed"),
            Refusal::Outside(need) => {
                write!(out, "{}-{} is outside the territories", need.country, need.postcode)
            }
            Refusal::Far(metres, radius) => write!(out, "{} km away, {radius} at most", metres / 1_000),
        }
    }
}

/// The terms of a score, in thousandths.
pub type Terms = [(&'static str, i64); 6];

impl Member {
    /// Checks what a leader wrote.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn checked(self) -> Result<Self> {
        in_range("member.capacity", self.capacity, 0, 10_000)?;
        in_range("member.radius_km", self.radius_km, 0, 20_000)?;
        in_range("member.preference", self.preference, -100, 100)?;
        check_skills("member.skills", &self.skills)?;
        if self.territories.len() > 200 {
            return Err(Error::invalid("member.territories", "at most 200"));
        }
        for territory in &self.territories {
            let (country, postcode) = territory.split_once('-').unwrap_or((territory, "0"));
            check_country("member.territories", country)?;
            check_postcode("member.territories", postcode)?;
        }
        if self.radius_km > 0 && self.home.is_none() {
            return Err(Error::invalid("member.home", "a radius needs a home"));
        }
        Ok(self)
    }

    /// Why this member can't get it; empty when it can.
    pub fn refusals(&self, need: &Need, past: &Past) -> Vec<String> {
        let mut reasons = Vec::new();
        self.refuse(need, past, &mut |refusal| reasons.push(refusal.to_string()));
        reasons
    }

    /// Whether this member can get it: as `refusals`, without their text.
    pub fn fits(&self, need: &Need, past: &Past) -> bool {
        let mut fits = true;
        self.refuse(need, past, &mut |_| fits = false);
        fits
    }

    fn refuse(&self, need: &Need, past: &Past, tell: &mut dyn FnMut(Refusal<'_>)) {
        if past.disabled {
            tell(Refusal::Disabled);
        }
        if !self.active {
            tell(Refusal::NotActive);
        }
        if past.recent >= i64::from(self.capacity) {
            tell(Refusal::Full(past.recent, self.capacity));
        }
        if let Some(until) = past.away {
            tell(Refusal::Away(until));
        } else if let Some(deadline) = need.deadline
            && past.free.is_none_or(|free| free + SLOT > deadline)
        {
            tell(Refusal::NoTime(deadline));
        }
        for (skill, level) in &need.skills {
            match self.level(skill) {
                had if had < *level => tell(Refusal::Skill(skill, had, *level)),
                _ => {}
            }
        }
        if !need.country.is_empty() && !self.territories.is_empty() {
            let covers = |territory: &String| match territory.split_once('-') {
                Some((country, postcode)) => country == need.country && need.postcode.starts_with(postcode),
                None => *territory == need.country,
            };
            if !self.territories.iter().any(covers) {
                tell(Refusal::Outside(need));
            }
        }
        if self.radius_km > 0
            && let Some(metres) = self.metres(need)
            && metres > i64::from(self.radius_km) * 1_000
        {
            tell(Refusal::Far(metres, self.radius_km));
        }
    }

    /// What the score is made of.
    pub fn terms(&self, item: &Item, past: &Past) -> Terms {
        let surplus: i32 = item.need.skills.iter().map(|(skill, level)| self.level(skill) - level).sum();
        [
            ("skills", i64::from(surplus).clamp(0, 10) * 10_000),
            ("distance", -self.metres(&item.need).unwrap_or(0).min(1_000_000)),
            ("preference", i64::from(self.preference) * 1_000),
            ("relation", if item.known.contains(&self.id) { 50_000 } else { 0 }),
            ("slot", -past.free.map_or(AHEAD, |free| free - past.now) / HOUR * 100),
            ("capacity", CAPACITY - past.recent * self.share()),
        ]
    }

    /// What one more in the window takes from the score.
    pub(super) fn share(&self) -> i64 {
        CAPACITY / i64::from(self.capacity.max(1))
    }

    fn level(&self, skill: &str) -> i32 {
        self.skills.iter().find(|(name, _)| name == skill).map_or(0, |(_, level)| *level)
    }

    fn metres(&self, need: &Need) -> Option<i64> {
        Some(metres(self.home?, need.place?))
    }
}

impl Need {
    /// Checks what someone wrote.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn checked(self) -> Result<Self> {
        check_skills("requirements.skills", &self.skills)?;
        match (self.country.as_str(), self.postcode.as_str()) {
            ("", "") => {}
            (country, postcode) => {
                check_country("requirements.country", country)?;
                if !postcode.is_empty() {
                    check_postcode("requirements.postcode", postcode)?;
                }
            }
        }
        Ok(self)
    }
}

/// Great-circle distance on a sphere of 6,371 km.
pub fn metres(from: Point, to: Point) -> i64 {
    let radians = |value: i64| (value as f64 / 1e6).to_radians();
    let half = |from: i64, to: i64| ((radians(to) - radians(from)) / 2.0).sin().powi(2);
    let across =
        radians(from.latitude).cos() * radians(to.latitude).cos() * half(from.longitude, to.longitude);
    let chord = (half(from.latitude, to.latitude) + across).clamp(0.0, 1.0);
    (2.0 * 6_371_000.0 * chord.sqrt().asin()).round() as i64
}

/// Those who fit, best first: score, then fewest recent, then longest since the last, then the seeded hash.
pub fn ranked<'a>(item: &Item, members: &'a [(Member, Past)], seed: u64) -> Vec<&'a (Member, Past)> {
    let mut fit: Vec<_> = members.iter().filter(|(member, past)| member.fits(&item.need, past)).collect();
    fit.sort_by_cached_key(|(member, past)| {
        (-score(&member.terms(item, past)), past.recent, past.last, lot(seed, &item.id, &member.id))
    });
    fit
}

/// The sum of the terms.
pub fn score(terms: &Terms) -> i64 {
    terms.iter().map(|(_, value)| value).sum()
}

fn instant(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map(|time| time.to_string()).unwrap_or_default()
}

/// The seeded hash that decides between a member and its equals.
pub(super) fn lot(seed: u64, item: &str, member: &str) -> [u8; 32] {
    Sha256::digest(format!("{seed}\n{item}\n{member}")).into()
}

fn in_range(field: &str, value: i32, from: i32, to: i32) -> Result<()> {
    if (from..=to).contains(&value) { Ok(()) } else { Err(Error::invalid(field, format!("{from} to {to}"))) }
}

fn check_skills(field: &str, skills: &[Skill]) -> Result<()> {
    if skills.len() > 100 {
        return Err(Error::invalid(field, "at most 100"));
    }
    for (at, (name, level)) in skills.iter().enumerate() {
        in_range(field, *level, 1, 10)?;
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == ':' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(fine) {
            return Err(Error::invalid(field, "a name is 1 to 64 of a-z, 0-9, \":\" and \"-\""));
        }
        if skills[..at].iter().any(|(other, _)| other == name) {
            return Err(Error::invalid(field, format!("{name} is there twice")));
        }
    }
    Ok(())
}

fn check_country(field: &str, country: &str) -> Result<()> {
    let fine = country.len() == 2 && country.chars().all(|c| c.is_ascii_uppercase());
    if fine { Ok(()) } else { Err(Error::invalid(field, "a country is two capital letters: BE")) }
}

fn check_postcode(field: &str, postcode: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ' || c == '-';
    let fine = !postcode.is_empty() && postcode.len() <= 12 && postcode.chars().all(fine);
    if fine {
        Ok(())
    } else {
        Err(Error::invalid(field, "a postcode is 1 to 12 of A-Z, 0-9, space and \"-\""))
    }
}
