//! The sample company of `--demo`: accounts, 30 partners, three months of meetings, 25 opportunities, 200 calls, segments.
//! Called once at the start, on an empty installation only; it goes through the services' own interfaces.

mod calls;
mod deals;
mod meetings;
mod people;
mod segments;

use kontor_gateway::Links;
use kontor_kit::auth::{Account, Caller};
use kontor_kit::context::Context;
use kontor_kit::{Error, Result};

/// Requests under way at once: the writer commits them in groups.
const AT_ONCE: usize = 64;

const DAY: i64 = 86_400_000_000;

/// Accounts: login name, team, extension of the telephone.
const USERS: [(&str, &str, &str); 4] = [
    ("admin", "", "104"),
    ("manager", "sales", "102"),
    ("sales", "sales", "101"),
    ("operator", "callcentre", "103"),
];

/// Fills an installation that has no accounts. One that has some is left as it is.
///
/// # Errors
/// Those of the services.
pub async fn fill(links: &Links, context: &Context) -> Result<()> {
    let Some(directory) = links.get("directory").cloned() else { return Ok(()) };
    if !people::add_accounts(context, &directory).await? {
        return Ok(());
    }
    let partners = people::add_partners(&directory).await?;
    let meetings = async {
        match links.get("calendar") {
            Some(link) => meetings::add(link.clone(), context, &partners).await,
            None => Ok(()),
        }
    };
    let deals = async {
        match links.get("pipeline") {
            Some(link) => deals::add(link.clone(), context, &partners).await,
            None => Ok(()),
        }
    };
    let calls = async {
        match links.get("telephony") {
            Some(link) => calls::add(link.clone(), context, &partners).await,
            None => Ok(()),
        }
    };
    futures_util::try_join!(meetings, deals, calls)?;
    match links.get("segmentation") {
        Some(link) => segments::add(link.clone(), context, &partners).await,
        None => Ok(()),
    }
}

fn caller(user: &str) -> Caller {
    let team = USERS.iter().find(|(name, ..)| *name == user).map_or("", |(_, team, _)| team);
    let teams: Vec<String> = Some(team.to_owned()).filter(|team| !team.is_empty()).into_iter().collect();
    let led_teams = if user == "manager" { teams.clone() } else { Vec::new() };
    Caller::from(Account {
        user: user.to_owned(),
        display_name: user.to_owned(),
        teams,
        led_teams,
        admin: false,
        system: false,
        ..Caller::system().into()
    })
}

/// The day that it is at the company.
fn today(context: &Context) -> Result<jiff::civil::Date> {
    let zone = jiff::tz::TimeZone::get(&context.company.time_zone).map_err(Error::internal)?;
    let now = jiff::Timestamp::from_microsecond(context.clock.now()).map_err(Error::internal)?;
    Ok(zone.to_datetime(now).date())
}
