//! The sample company of `--demo`: accounts, 30 partners, three months of meetings, 25 opportunities, 200 calls, segments.
//! Called once at the start, on an empty installation only; it goes through the services' own interfaces.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use kontor_gateway::Links;
use kontor_kit::auth::{Account, Caller};
use kontor_kit::clock;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::link::Link;
use kontor_kit::{Error, Result};
use kontor_proto::calendar::v1::calendar_service_client::CalendarServiceClient;
use kontor_proto::calendar::v1::event_service_client::EventServiceClient;
use kontor_proto::calendar::v1::{
    Attendee, CreateEventRequest, Event, EventTime, ListCalendarsRequest, event_time,
};
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::team_service_client::TeamServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::directory::v1::{
    CreatePartnerRequest, Partner, PartnerKind, Team, UpdateTeamRequest, UpdateUserRequest, User,
};
use kontor_proto::pipeline::v1::exchange_rate_service_client::ExchangeRateServiceClient;
use kontor_proto::pipeline::v1::lead_service_client::LeadServiceClient;
use kontor_proto::pipeline::v1::opportunity_service_client::OpportunityServiceClient;
use kontor_proto::pipeline::v1::pipeline_service_client::PipelineServiceClient;
use kontor_proto::pipeline::v1::{
    CreateLeadRequest, CreateOpportunityRequest, ExchangeRate, Lead, ListPipelinesRequest,
    LoseOpportunityRequest, Opportunity, SetExchangeRatesRequest, WinOpportunityRequest,
};
use kontor_proto::telephony::v1::call_service_client::CallServiceClient;
use kontor_proto::telephony::v1::{Call, CallDirection, CallOutcome, CreateCallRequest, Party};
use kontor_proto::r#type::v1::{Email, Money, Phone, PostalAddress};

use crate::demo_segments;

/// Requests under way at once: the writer commits them in groups.
const AT_ONCE: usize = 64;
const DAY: i64 = 86_400_000_000;
const MINUTE: i64 = 60_000_000;

/// Accounts: login name, team, extension of the telephone.
const USERS: [(&str, &str, &str); 4] = [
    ("admin", "", "104"),
    ("manager", "sales", "102"),
    ("sales", "sales", "101"),
    ("operator", "callcentre", "103"),
];

const COMPANIES: [(&str, &str); 12] = [
    ("Brouwerij De Linde", "Leuven"),
    ("Atelier Moreau", "Namur"),
    ("Van Damme Logistics", "Antwerpen"),
    ("Clinique Saint-Roch", "Liège"),
    ("Noordzee Visserij", "Oostende"),
    ("Ardenne Bois", "Bastogne"),
    ("Peeters & Zonen", "Mechelen"),
    ("Hotel du Parc", "Spa"),
    ("Kortrijk Textiles", "Kortrijk"),
    ("Imprimerie Lambert", "Mons"),
    ("Gent Robotics", "Gent"),
    ("Fromagerie du Gerny", "Rochefort"),
];

const PEOPLE: [(&str, &str); 18] = [
    ("Anna", "Peeters"),
    ("Bram", "Claes"),
    ("Céline", "Dubois"),
    ("David", "Lambert"),
    ("Elke", "Janssens"),
    ("François", "Moreau"),
    ("Greet", "Willems"),
    ("Hugo", "Maes"),
    ("Inès", "Leroy"),
    ("Jan", "De Smet"),
    ("Karim", "Haddad"),
    ("Lotte", "Wouters"),
    ("Marie", "Simon"),
    ("Niels", "Van Damme"),
    ("Olivia", "Renard"),
    ("Pieter", "Goossens"),
    ("Sofie", "Mertens"),
    ("Thomas", "Lefèvre"),
];

/// Fills an installation that has no accounts. One that has some is left as it is.
///
/// # Errors
/// Those of the services.
pub async fn fill(links: &Links, context: &Context) -> Result<()> {
    let Some(directory) = links.get("directory").cloned() else { return Ok(()) };
    if !add_accounts(context, &directory).await? {
        return Ok(());
    }
    let partners = add_partners(&directory).await?;
    let meetings = async {
        match links.get("calendar") {
            Some(link) => add_meetings(link.clone(), context, &partners).await,
            None => Ok(()),
        }
    };
    let deals = async {
        match links.get("pipeline") {
            Some(link) => add_deals(link.clone(), context, &partners).await,
            None => Ok(()),
        }
    };
    let calls = async {
        match links.get("telephony") {
            Some(link) => add_calls(link.clone(), context, &partners).await,
            None => Ok(()),
        }
    };
    futures_util::try_join!(meetings, deals, calls)?;
    match links.get("segmentation") {
        Some(link) => demo_segments::add(link.clone(), context, &partners).await,
        None => Ok(()),
    }
}

/// The accounts have a password that the interface would refuse, so they are made as the command line makes them.
async fn add_accounts(context: &Context, directory: &Link) -> Result<bool> {
    let db =
        Db::open(&context.storage, "directory", kontor_directory::MIGRATIONS, context.clock.clone()).await?;
    if kontor_directory::admin::has_users(&db).await? {
        return Ok(false);
    }
    let mut users = UserServiceClient::new(directory.clone());
    let add = |name: &'static str, team: &'static str| {
        let db = db.clone();
        async move {
            let team = Some(team).filter(|team| !team.is_empty());
            let email = format!("{name}@kontor.example");
            kontor_directory::admin::add_sample_user(&db, name, &email, team, name == "admin", "demo").await
        }
    };
    // One after the other: the password hash takes the time, and teams are made by their first member.
    for (name, team, extension) in USERS {
        add(name, team).await?;
        let user =
            User { name: format!("users/{name}"), extension: extension.to_owned(), ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["extension".to_owned()] });
        let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
        users.update_user(Caller::system().request(request)).await?;
    }
    let team = Team {
        name: "teams/sales".to_owned(),
        leaders: vec!["users/manager".to_owned()],
        ..Default::default()
    };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["leaders".to_owned()] });
    let request = UpdateTeamRequest { team: Some(team), update_mask, ..Default::default() };
    TeamServiceClient::new(directory.clone()).update_team(Caller::system().request(request)).await?;
    Ok(true)
}

async fn add_partners(directory: &Link) -> Result<Vec<Partner>> {
    let client = PartnerServiceClient::new(directory.clone());
    let companies = COMPANIES.iter().enumerate().map(|(place, (name, town))| company(place, name, town));
    let people = PEOPLE.iter().enumerate().map(|(place, (given, family))| person(place, given, family));
    stream::iter(companies.chain(people).collect::<Vec<_>>())
        .map(|partner| {
            let mut client = client.clone();
            async move {
                let request = CreatePartnerRequest { partner: Some(partner), ..Default::default() };
                Ok(client.create_partner(Caller::system().request(request)).await?.into_inner())
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

fn company(place: usize, name: &str, town: &str) -> Partner {
    let domain = plain(name);
    Partner {
        kind: PartnerKind::Company.into(),
        display_name: name.to_owned(),
        phones: vec![Phone {
            number: format!("+32 2 555 {:02} {:02}", 10 + place, 20 + place),
            types: vec!["work".into()],
            ..Default::default()
        }],
        emails: vec![Email { address: format!("info@{domain}.example"), types: vec!["work".into()] }],
        addresses: vec![PostalAddress {
            street: format!("Stationsstraat {}", 3 + place * 7),
            locality: town.to_owned(),
            country: "Belgium".to_owned(),
            types: vec!["work".into()],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn person(place: usize, given: &str, family: &str) -> Partner {
    let (company, _) = COMPANIES[place % COMPANIES.len()];
    Partner {
        kind: PartnerKind::Person.into(),
        display_name: format!("{given} {family}"),
        given_name: given.to_owned(),
        family_name: family.to_owned(),
        organization: company.to_owned(),
        title: ["Director", "Buyer", "Head of operations"][place % 3].to_owned(),
        phones: vec![Phone {
            number: format!("+32 471 {:02} 34 {:02}", 11 + place, 40 + place),
            types: vec!["cell".into()],
            ..Default::default()
        }],
        emails: vec![Email {
            address: format!("{}.{}@{}.example", plain(given), plain(family), plain(company)),
            types: vec!["work".into()],
        }],
        ..Default::default()
    }
}

/// A name as it would stand in a domain: small letters and digits only.
fn plain(name: &str) -> String {
    let unaccented = |letter: char| match letter {
        'é' | 'è' | 'ê' => 'e',
        'ç' => 'c',
        other => other,
    };
    name.to_lowercase().chars().map(unaccented).filter(char::is_ascii_alphanumeric).collect()
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

/// Monday to Friday, six weeks back and seven ahead, one meeting a day for each of three people, and two series.
async fn add_meetings(link: Link, context: &Context, partners: &[Partner]) -> Result<()> {
    for user in ["manager", "sales", "operator"] {
        wait_for_calendar(&link, user).await?;
    }
    let today = today(context)?;
    let mut wanted = vec![
        ("manager", series("Sales meeting", today, "09:00:00", "10:00:00", "FREQ=WEEKLY;BYDAY=MO", context)),
        ("sales", series("Pipeline review", today, "16:00:00", "16:45:00", "FREQ=WEEKLY;BYDAY=TH", context)),
    ];
    for offset in -42..49_i32 {
        let Ok(day) = today.checked_add(jiff::Span::new().days(offset)) else { continue };
        if day.weekday().to_monday_one_offset() > 5 {
            continue;
        }
        let user = ["manager", "sales", "operator"][usize::try_from(offset.rem_euclid(3)).unwrap_or(0)];
        let partner = &partners[usize::try_from(offset.rem_euclid(30)).unwrap_or(0) % partners.len()];
        let hour = 9 + offset.rem_euclid(7);
        wanted.push((
            user,
            meeting(
                partner,
                &format!("{day}T{hour:02}:30:00"),
                &format!("{day}T{:02}:15:00", hour + 1),
                context,
            ),
        ));
    }
    let client = EventServiceClient::new(link);
    stream::iter(wanted)
        .map(|(user, event)| {
            let mut client = client.clone();
            async move {
                let request = CreateEventRequest {
                    parent: "calendars/default".to_owned(),
                    event: Some(event),
                    ..Default::default()
                };
                client.create_event(caller(user).request(request)).await.map(|_| ()).map_err(Error::from)
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// The calendar service makes a user's calendar when it hears of the user.
async fn wait_for_calendar(link: &Link, user: &str) -> Result<()> {
    let mut client = CalendarServiceClient::new(link.clone());
    for _ in 0..500 {
        let request = caller(user).request(ListCalendarsRequest::default());
        let calendars = client.list_calendars(request).await?.into_inner().calendars;
        if calendars.iter().any(|calendar| calendar.owner == format!("users/{user}")) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(Error::unavailable(format!("the calendar of {user} did not appear")))
}

fn local(text: &str, context: &Context) -> Option<EventTime> {
    Some(EventTime {
        kind: Some(event_time::Kind::Local(text.to_owned())),
        time_zone: context.company.time_zone.clone(),
    })
}

fn meeting(partner: &Partner, start: &str, end: &str, context: &Context) -> Event {
    let email = partner.emails.first().map(|email| email.address.clone()).unwrap_or_default();
    Event {
        summary: format!("Meeting with {}", partner.display_name),
        location: "Main office".to_owned(),
        start: local(start, context),
        end: local(end, context),
        attendees: vec![Attendee {
            email,
            display_name: partner.display_name.clone(),
            participation: "ACCEPTED".to_owned(),
        }],
        partners: vec![partner.name.clone()],
        ..Default::default()
    }
}

fn series(
    summary: &str,
    today: jiff::civil::Date,
    start: &str,
    end: &str,
    rule: &str,
    context: &Context,
) -> Event {
    let wanted =
        if rule.ends_with("MO") { jiff::civil::Weekday::Monday } else { jiff::civil::Weekday::Thursday };
    let first = today
        .checked_sub(jiff::Span::new().days(42))
        .and_then(|day| day.nth_weekday(1, wanted))
        .unwrap_or(today);
    Event {
        summary: summary.to_owned(),
        start: local(&format!("{first}T{start}"), context),
        end: local(&format!("{first}T{end}"), context),
        recurrence_rule: rule.to_owned(),
        ..Default::default()
    }
}

/// The day that it is at the company.
fn today(context: &Context) -> Result<jiff::civil::Date> {
    let zone = jiff::tz::TimeZone::get(&context.company.time_zone).map_err(Error::internal)?;
    let now = jiff::Timestamp::from_microsecond(context.clock.now()).map_err(Error::internal)?;
    Ok(zone.to_datetime(now).date())
}

/// 25 opportunities over the stages, some won, some lost, some nobody's, most to be closed in the next weeks; and 8 leads.
async fn add_deals(link: Link, context: &Context, partners: &[Partner]) -> Result<()> {
    let today = today(context)?;
    let pipelines = PipelineServiceClient::new(link.clone())
        .list_pipelines(Caller::system().request(ListPipelinesRequest::default()))
        .await?
        .into_inner()
        .pipelines;
    let pipeline = pipelines.into_iter().next().ok_or_else(|| Error::internal("there is no pipeline"))?;
    if context.company.currency == "EUR" {
        let rate = ExchangeRate {
            currency_code: "USD".to_owned(),
            valid_from_date: today.first_of_month().to_string(),
            rate: "0.90".to_owned(),
            ..Default::default()
        };
        let request = SetExchangeRatesRequest { exchange_rates: vec![rate], ..Default::default() };
        let mut rates = ExchangeRateServiceClient::new(link.clone());
        rates.set_exchange_rates(Caller::system().request(request)).await?;
    }
    let client = OpportunityServiceClient::new(link.clone());
    let wanted: Vec<_> = (0..25_usize)
        .map(|place| {
            let partner = &partners[(place * 7) % partners.len()];
            Opportunity {
                title: format!(
                    "{} for {}",
                    ["Maintenance contract", "New machine", "Spare parts", "Training"][place % 4],
                    partner.display_name
                ),
                partner: partner.name.clone(),
                stage: pipeline.stages[place % pipeline.stages.len()].name.clone(),
                amount: Some(Money {
                    currency_code: ["EUR", "USD"][usize::from(place == 6)].to_owned(),
                    amount: format!("{}.00", 1_500 + place * 850),
                }),
                assignee: ["users/sales", "users/manager", ""][place % 3].to_owned(),
                team: "teams/sales".to_owned(),
                expected_close_date: match place % 5 {
                    0 => String::new(),
                    _ => today
                        .checked_add(jiff::Span::new().days(place as i64 * 2))
                        .map_or(String::new(), |day| day.to_string()),
                },
                ..Default::default()
            }
        })
        .collect();
    let added = stream::iter(wanted.into_iter().enumerate())
        .map(|(place, opportunity)| add_deal(client.clone(), place, opportunity));
    added.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    let leads = LeadServiceClient::new(link);
    stream::iter(0..8_usize)
        .map(|place| {
            let mut leads = leads.clone();
            let lead = Lead {
                title: ["Asks for a price list", "Met at the fair", "Wants a call back", "Web form"]
                    [place % 4]
                    .to_owned(),
                contact_name: format!("Visitor {}", place + 1),
                email: format!("visitor{}@lead.example", place + 1),
                phone: format!("0478 12 34 {:02}", 10 + place),
                source: ["web", "fair"][place % 2].to_owned(),
                team: "teams/sales".to_owned(),
                ..Default::default()
            };
            async move {
                let request = CreateLeadRequest { lead: Some(lead), ..Default::default() };
                leads.create_lead(caller("manager").request(request)).await.map(|_| ()).map_err(Error::from)
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn add_deal(
    mut client: OpportunityServiceClient<Link>,
    place: usize,
    opportunity: Opportunity,
) -> Result<()> {
    let request = CreateOpportunityRequest { opportunity: Some(opportunity), ..Default::default() };
    let name = client.create_opportunity(Caller::system().request(request)).await?.into_inner().name;
    match place % 6 {
        4 => {
            let request = WinOpportunityRequest { name, ..Default::default() };
            client.win_opportunity(Caller::system().request(request)).await?;
        }
        5 => {
            let request =
                LoseOpportunityRequest { name, reason: "Price too high".to_owned(), ..Default::default() };
            client.lose_opportunity(Caller::system().request(request)).await?;
        }
        _ => {}
    }
    Ok(())
}

/// 200 calls over the last 60 days.
async fn add_calls(link: Link, context: &Context, partners: &[Partner]) -> Result<()> {
    let now = context.clock.now();
    let client = CallServiceClient::new(link);
    stream::iter(0..200_i64)
        .map(|place| {
            let mut client = client.clone();
            // All but the administrator telephone.
            let (user, _, extension) = USERS[usize::try_from(1 + place % 3).unwrap_or(1)];
            let partner = &partners[usize::try_from(place * 11).unwrap_or(0) % partners.len()];
            let call = call(place, now, extension, partner);
            async move {
                let request = CreateCallRequest { call: Some(call), ..Default::default() };
                client.create_call(caller(user).request(request)).await.map(|_| ()).map_err(Error::from)
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

fn call(place: i64, now: i64, extension: &str, partner: &Partner) -> Call {
    let number = partner.phones.first().map(|phone| phone.number.clone()).unwrap_or_default();
    let outside = Party { number, display_name: partner.display_name.clone(), ..Default::default() };
    let inside = Party { number: extension.to_owned(), ..Default::default() };
    let inbound = place % 2 == 0;
    let outcome = match place % 7 {
        0 => CallOutcome::Missed,
        3 => CallOutcome::NoAnswer,
        5 => CallOutcome::Busy,
        _ => CallOutcome::Answered,
    };
    let start = now - (place * 60 * DAY) / 200 - 3 * 60 * MINUTE;
    let answered = outcome == CallOutcome::Answered;
    let answer_time = answered.then(|| clock::to_proto(start + 8_000_000));
    let talk = if answered { (30 + (place * 37) % 600) * 1_000_000 } else { 0 };
    Call {
        direction: if inbound { CallDirection::Inbound } else { CallDirection::Outbound }.into(),
        outcome: outcome.into(),
        caller: Some(if inbound { outside.clone() } else { inside.clone() }),
        callee: Some(if inbound { inside } else { outside }),
        start_time: Some(clock::to_proto(start)),
        answer_time,
        end_time: Some(clock::to_proto(start + 8_000_000 + talk)),
        ..Default::default()
    }
}
