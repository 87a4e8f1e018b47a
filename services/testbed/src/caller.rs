//! Callers as the gateway would find them, and how a refusal is read.
//! Called by tests.

use kontor_kit::auth::{Account, Caller};
use tonic::{Code, Status};

/// A user in these teams, leading those.
pub fn caller(user: &str, teams: &[&str], led_teams: &[&str]) -> Caller {
    let owned = |teams: &[&str]| teams.iter().map(|team| (*team).to_owned()).collect();
    Caller::from(Account {
        user: user.to_owned(),
        display_name: user.to_owned(),
        admin: false,
        teams: owned(teams),
        led_teams: owned(led_teams),
        time_zone: String::new(),
        system: false,
    })
}

/// A user without teams.
pub fn user(user: &str) -> Caller {
    caller(user, &[], &[])
}

/// An administrator.
pub fn admin() -> Caller {
    Caller::from(Account { admin: true, ..user("admin").into() })
}

/// Code and `ErrorInfo` reason of an error.
///
/// # Panics
/// When the answer is no error, or has no `ErrorInfo`: every error of a service has one.
pub fn failure<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.expect_err("it is refused");
    let (reason, _) = kontor_kit::error::reason(&status).expect("every error has ErrorInfo");
    (status.code(), reason)
}
