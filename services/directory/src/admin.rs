//! What the command line and the demo data do with accounts, straight on the database, also while the server runs.
//! Called by deploy/kontor.

use kontor_kit::audit::Who;
use kontor_kit::auth::Caller;
use kontor_kit::db::{Db, Tx};
use kontor_kit::{Error, Result, id, resource};

use crate::domain::credential::{AppSecret, Password, hash_of};
use crate::domain::team::Team;
use crate::domain::user::{Details, User, check_line};
use crate::rpc::sign_in::{hash, random};
use crate::{rpc, store};

/// What brought a write, for the audit.
const COMMAND: &str = "command line";

/// Adds an account: `kontor user add NAME [--email E] [--team T] [--admin]`. The address may be empty; a team that does not exist is made.
///
/// # Errors
/// ALREADY_EXISTS; INVALID_ARGUMENT for a wrong name or address, or a password of fewer than 8 characters.
pub async fn add_user(
    db: &Db,
    name: &str,
    email: &str,
    team: Option<&str>,
    admin: bool,
    password: &str,
) -> Result<()> {
    add_user_with(db, name, email, team, admin, Password::parse(password)?).await
}

/// Adds an account of the sample company; its password may be short, because it stands in the documents anyway.
///
/// # Errors
/// As `add_user`.
pub async fn add_sample_user(
    db: &Db,
    name: &str,
    email: &str,
    team: Option<&str>,
    admin: bool,
    password: &str,
) -> Result<()> {
    add_user_with(db, name, email, team, admin, Password::any(password)?).await
}

/// Whether there is any account yet.
///
/// # Errors
/// Those of the database.
pub async fn has_users(db: &Db) -> Result<bool> {
    db.read(store::user::exist).await
}

async fn add_user_with(
    db: &Db,
    name: &str,
    email: &str,
    team: Option<&str>,
    admin: bool,
    password: Password,
) -> Result<()> {
    let details =
        Details { display_name: name.to_owned(), email: email.to_owned(), admin, ..Details::default() };
    let user = User::new(name, details, db.clock().now())?;
    let kept = hash(password).await?;
    let team = team.map(str::to_owned);
    db.write(move |tx| {
        tx.act_as(Who::new("", COMMAND));
        let user = rpc::user::with_color(tx, &user, false)?;
        rpc::user::create(tx, &user, &kept, &Caller::system())?;
        match &team {
            Some(team) => join_team(tx, team, &user.id),
            None => Ok(()),
        }
    })
    .await
}

/// Adds an app password and returns its secret: `kontor token add USER --name DEVICE`.
///
/// # Errors
/// NOT_FOUND for an unknown user; INVALID_ARGUMENT for a device name that is empty or longer than 100 characters.
pub async fn add_token(db: &Db, user: &str, device: &str) -> Result<String> {
    let secret = AppSecret::from_random(random());
    let hash = hash_of(&secret);
    let record = store::credential::AppPassword {
        id: id::new(),
        user: user.to_owned(),
        display_name: check_line("name", device, 100)?,
        create_time: db.clock().now(),
        last_use_time: 0,
    };
    db.write(move |tx| {
        tx.act_as(Who::new("", COMMAND));
        store::user::get(tx, &record.user)?;
        store::credential::add_app_password(tx, &record, hash)
    })
    .await?;
    Ok(secret.shown())
}

/// Sets an account password. Sign-ins that a running server keeps end within three seconds.
///
/// # Errors
/// NOT_FOUND; INVALID_ARGUMENT for fewer than 8 characters.
pub async fn set_password(db: &Db, user: &str, password: &str) -> Result<()> {
    let kept = hash(Password::parse(password)?).await?;
    let user = user.to_owned();
    db.write(move |tx| {
        tx.act_as(Who::new("", COMMAND));
        store::credential::set_password(tx, &user, &kept)
    })
    .await
}

fn join_team(tx: &mut Tx<'_>, team: &str, user: &str) -> Result<()> {
    if !store::team::exists(tx, team)? {
        let new = Team {
            id: team.to_owned(),
            version: 1,
            display_name: team.to_owned(),
            members: [user.to_owned()].into(),
            leaders: Default::default(),
            create_time: tx.now(),
        };
        return store::team::create(tx, &new.checked()?).map(|_| ());
    }
    resource::hold::<Team>(tx, team)?;
    let old = store::team::get(tx, team)?;
    let mut new = old.clone();
    new.members.insert(user.to_owned());
    let mut new = new.checked().map_err(|cause| Error::precondition("TEAM_FULL", cause.message()))?;
    store::team::update(tx, &mut new, &old.members).map(|_| ())
}
