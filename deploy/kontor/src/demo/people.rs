//! Accounts, companies and people of the sample company.
//! Called by mod.rs.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use kontor_kit::Result;
use kontor_kit::auth::Caller;
use kontor_kit::context::Context;
use kontor_kit::db::Db;
use kontor_kit::link::Link;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::team_service_client::TeamServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::directory::v1::{
    CreatePartnerRequest, Partner, PartnerKind, Team, UpdateTeamRequest, UpdateUserRequest, User,
};
use kontor_proto::r#type::v1::{Email, Phone, PostalAddress};

use super::{AT_ONCE, USERS};

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

/// The accounts have a password that the interface would refuse, so they are made as the command line makes them.
pub(super) async fn add_accounts(context: &Context, directory: &Link) -> Result<bool> {
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

pub(super) async fn add_partners(directory: &Link) -> Result<Vec<Partner>> {
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
