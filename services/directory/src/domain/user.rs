//! A user: what may stand in its fields, and the colour that it gets.
//! Called by rpc/user.rs, store/user.rs and admin.rs.

use kontor_kit::{Error, Result, id};

/// Colours that are far enough from each other to tell calendars apart.
const PALETTE: [&str; 12] = [
    "#1F77B4", "#D62728", "#2CA02C", "#9467BD", "#FF7F0E", "#17BECF", "#8C564B", "#E377C2", "#BCBD22",
    "#3949AB", "#00897B", "#C0CA33",
];

/// A person or a program that signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub id: String,
    /// Version, seen as the etag.
    pub version: i64,
    /// What can be changed.
    pub details: Details,
    /// Microseconds since 1970 UTC.
    pub create_time: i64,
}

/// The fields of a user that can be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Name for people.
    pub display_name: String,
    /// E-mail address, or empty.
    pub email: String,
    /// May manage and see everything.
    pub admin: bool,
    /// Can't sign in.
    pub disabled: bool,
    /// "#RRGGBB"
    pub color: String,
    /// IANA zone; empty means the installation's.
    pub time_zone: String,
    /// Internal telephone extension, or empty.
    pub extension: String,
}

/// A user with its teams.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The user.
    pub user: User,
    /// Ids of its teams.
    pub teams: Vec<String>,
    /// Ids of the teams that it leads.
    pub led_teams: Vec<String>,
}

impl User {
    /// A new user.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn new(user_id: &str, details: Details, now: i64) -> Result<User> {
        check_user_id(user_id)?;
        Ok(User { id: user_id.to_owned(), version: 1, details: details.checked(user_id)?, create_time: now })
    }
}

/// Checks a login name. "me" and "none" mean something else in names and filters, and "company" owns what belongs to everyone.
///
/// # Errors
/// INVALID_ARGUMENT naming user_id.
pub fn check_user_id(user_id: &str) -> Result<()> {
    id::check_chosen(user_id, "user_id")?;
    if matches!(user_id, "me" | "none" | "company") {
        return Err(Error::invalid(
            "user_id",
            format!("{user_id:?} has a meaning of its own: choose another"),
        ));
    }
    Ok(())
}

impl Details {
    /// The same with blanks trimmed and the colour filled in, when all is right.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn checked(mut self, user_id: &str) -> Result<Details> {
        self.display_name = check_line("user.display_name", &self.display_name, 200)?;
        self.email = self.email.trim().to_owned();
        check_email("user.email", &self.email)?;
        if self.color.is_empty() {
            self.color = color_of(user_id).to_owned();
        }
        check_color(&self.color)?;
        self.color.make_ascii_uppercase();
        check_zone(&self.time_zone)?;
        self.extension = self.extension.trim().to_owned();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"*#+-._".contains(&byte);
        if self.extension.len() > 32 || !self.extension.bytes().all(plain) {
            return Err(Error::invalid("user.extension", format!("{:?} is no extension", self.extension)));
        }
        Ok(self)
    }
}

/// Checks a name for people: 1 to `most` characters on one line.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub fn check_line(field: &str, text: &str, most: usize) -> Result<String> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > most || text.chars().any(char::is_control) {
        return Err(Error::invalid(field, format!("use 1 to {most} characters on one line")));
    }
    Ok(text.to_owned())
}

fn check_email(field: &str, email: &str) -> Result<()> {
    let parts = email.rsplit_once('@');
    let good = email.len() <= 254
        && !email.chars().any(|letter| letter.is_whitespace() || letter.is_control())
        && parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if email.is_empty() || good {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{email:?} is no e-mail address")))
}

fn check_color(color: &str) -> Result<()> {
    let digits = color.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Error::invalid("user.color", format!("{color:?} is no colour like #1F77B4")))
}

fn check_zone(zone: &str) -> Result<()> {
    if zone.is_empty() || (zone.len() <= 64 && jiff::tz::TimeZone::get(zone).is_ok()) {
        return Ok(());
    }
    Err(Error::invalid("user.time_zone", format!("{zone:?} is no IANA time zone like Europe/Brussels")))
}

/// A colour that stays the same for a login name.
fn color_of(user_id: &str) -> &'static str {
    PALETTE[place_of(user_id)]
}

/// The colour of a new user: the login name's, or the next one in the palette that fewer others have, so that the first twelve users have
/// twelve colours. `taken` has every colour with the number of users who have it.
pub fn free_color(user_id: &str, taken: &[(String, i64)]) -> &'static str {
    let users = |color: &str| taken.iter().find(|(other, _)| other == color).map_or(0, |(_, users)| *users);
    let first = place_of(user_id);
    let from_there = PALETTE[first..].iter().chain(&PALETTE[..first]).copied();
    from_there.min_by_key(|color| users(color)).unwrap_or(PALETTE[first])
}

/// FNV-1a over the bytes of the login name.
fn place_of(user_id: &str) -> usize {
    let hash = user_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from((hash >> 32) % PALETTE.len() as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details() -> Details {
        Details { display_name: " Anna ".to_owned(), ..Details::default() }
    }

    #[test]
    fn c3_no_two_users_have_one_colour_while_there_are_others() {
        let mut taken: Vec<(String, i64)> = Vec::new();
        for number in 0..PALETTE.len() {
            let color = free_color(&format!("user{number}"), &taken);
            assert!(taken.iter().all(|(other, _)| other != color), "{color} twice");
            taken.push((color.to_owned(), 1));
        }
        // Then they begin anew, with the login name's own again.
        assert_eq!(free_color("anna", &taken), color_of("anna"));
        assert_eq!(free_color("anna", &[]), color_of("anna"));
    }

    #[test]
    fn colour_is_chosen_once_for_a_login_name() {
        let first = User::new("anna", details(), 0).unwrap();
        let second = User::new("anna", details(), 5).unwrap();
        assert_eq!(first.details.color, second.details.color);
        assert_ne!(first.details.color, User::new("sales", details(), 0).unwrap().details.color);
        assert_eq!(first.details.display_name, "Anna");
    }

    #[test]
    fn wrong_fields_are_named() {
        let wrong = |change: fn(&mut Details)| {
            let mut details = details();
            change(&mut details);
            User::new("anna", details, 0).unwrap_err().message().to_owned()
        };
        assert!(wrong(|details| details.email = "a b@c".to_owned()).starts_with("user.email"));
        assert!(wrong(|details| details.color = "#12345".to_owned()).starts_with("user.color"));
        assert!(wrong(|details| details.time_zone = "Mars/Base".to_owned()).starts_with("user.time_zone"));
        assert!(wrong(|details| details.display_name = "a\nb".to_owned()).starts_with("user.display_name"));
        assert!(wrong(|details| details.extension = "1 2".to_owned()).starts_with("user.extension"));
        for user_id in ["me", "none", "company"] {
            assert!(User::new(user_id, details(), 0).unwrap_err().message().starts_with("user_id"));
        }
    }
}
