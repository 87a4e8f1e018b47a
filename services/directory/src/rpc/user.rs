//! UserService: protobuf to domain and back. App passwords stand in app_password.rs.
//! Called by the gateway and by other services.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db, Tx};
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, clock, id, replay};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::user_service_server::UserService;
use tonic::{Request, Response, Status};

use super::sign_in::SignIns;
use crate::domain::credential::Password;
use crate::domain::user::{Details, Profile, User};
use crate::{events, store};

/// The service.
pub struct Users {
    pub(super) db: Db,
    pub(super) sign_ins: SignIns,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl UserService for Users {
    async fn list_users(
        &self,
        request: Request<proto::ListUsersRequest>,
    ) -> Answer<proto::ListUsersResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListUsersRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let page = self.db.read(move |conn| store::user::list(conn, &caller, &query)).await?.map(to_proto);
        Ok(Response::new(proto::ListUsersResponse {
            users: page.rows,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_user(&self, request: Request<proto::GetUserRequest>) -> Answer<proto::User> {
        let caller = Caller::of(&request)?;
        let user = user_of(&caller, &request.get_ref().name, "name")?;
        let profile = self.db.read(move |conn| store::user::get(conn, &user)).await?;
        Ok(Response::new(to_proto(profile)))
    }

    async fn create_user(&self, request: Request<proto::CreateUserRequest>) -> Answer<proto::User> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let mut request = request.into_inner();
        let details = details(request.user.as_ref().ok_or_else(|| Error::invalid("user", "it is missing"))?);
        let chooses_color = !details.color.is_empty();
        let draft = User::new(&request.user_id, details, self.db.clock().now())?;
        let password = password(&caller, &std::mem::take(&mut request.password))?;
        if request.validate_only {
            let read = self.db.read(move |conn| {
                store::user::check_new(conn, &draft)?;
                Ok(created(&with_color(conn, &draft, chooses_color)?))
            });
            let answer = read.await?;
            return Ok(Response::new(answer));
        }
        let password = match password {
            Some(password) => self.sign_ins.hash(password).await?,
            None => String::new(),
        };
        // The request is kept as a hash for its repeats: the password was taken out of it above.
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let user = with_color(tx, &draft, chooses_color)?;
                    create(tx, &user, &password, &caller)?;
                    Ok(created(&user))
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn update_user(&self, request: Request<proto::UpdateUserRequest>) -> Answer<proto::User> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = request.user.as_ref().ok_or_else(|| Error::invalid("user", "it is missing"))?;
        let user = user_of(&caller, &new.name, "user.name")?;
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(new))?;
        check_may_update(&caller, &user, &mask)?;
        let sign_ins = self.sign_ins.clone();
        let answer = self
            .db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    let new = request.user.clone().unwrap_or_default();
                    sign_ins.end_on_commit(tx, &user);
                    update(tx, &user, &new, &mask, &caller)
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn set_password(&self, request: Request<proto::SetPasswordRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let user = user_of(&caller, &request.name, "name")?;
        if !caller.admin {
            check_own(&caller, &user)?;
            self.sign_ins.check_current_password(&user, &request.current_password).await?;
        }
        let password = password(&caller, &request.password)?
            .ok_or_else(|| Error::invalid("password", "use at least 8 characters"))?;
        let kept = self.sign_ins.hash(password).await?;
        let sign_ins = self.sign_ins.clone();
        self.db
            .write(move |tx| {
                sign_ins.end_on_commit(tx, &user);
                store::credential::set_password(tx, &user, &kept)
            })
            .await?;
        Ok(Response::new(()))
    }

    async fn create_app_password(
        &self,
        request: Request<proto::CreateAppPasswordRequest>,
    ) -> Answer<proto::CreateAppPasswordResponse> {
        Ok(Response::new(self.create_app_password_for(Caller::of(&request)?, request.into_inner()).await?))
    }

    async fn list_app_passwords(
        &self,
        request: Request<proto::ListAppPasswordsRequest>,
    ) -> Answer<proto::ListAppPasswordsResponse> {
        Ok(Response::new(self.list_app_passwords_of(Caller::of(&request)?, request.into_inner()).await?))
    }

    async fn delete_app_password(&self, request: Request<proto::DeleteAppPasswordRequest>) -> Answer<()> {
        Ok(Response::new(self.delete_app_password_of(Caller::of(&request)?, request.into_inner()).await?))
    }
}

/// The user with a colour that others have not, unless one was chosen.
///
/// # Errors
/// Those of the database.
pub fn with_color(conn: &mut Conn<'_>, user: &User, chosen: bool) -> kontor_kit::Result<User> {
    let mut user = user.clone();
    if !chosen {
        store::user::free_color(conn, &user.id)?.clone_into(&mut user.details.color);
    }
    Ok(user)
}

/// Writes a new user with all that belongs to it.
///
/// # Errors
/// ALREADY_EXISTS.
pub fn create(tx: &mut Tx<'_>, user: &User, password: &str, caller: &Caller) -> kontor_kit::Result<()> {
    store::user::create(tx, user, password)?;
    store::card::ensure_books(tx, &user.id)?;
    tx.publish(events::user_created(user, caller));
    Ok(())
}

fn update(
    tx: &mut Tx<'_>,
    user: &str,
    new: &proto::User,
    mask: &Mask,
    caller: &Caller,
) -> kontor_kit::Result<proto::User> {
    resource::hold::<User>(tx, user)?;
    let mut profile = store::user::get(tx, user)?;
    resource::check_etag(&profile.user, &new.etag)?;
    let wanted = merged(&profile.user.details, new, mask).checked(user)?;
    if wanted == profile.user.details {
        return Ok(to_proto(profile));
    }
    let rules = |details: &Details| details.admin && !details.disabled;
    let steps_down = rules(&profile.user.details) && !rules(&wanted);
    profile.user.details = wanted;
    store::user::update(tx, &mut profile.user)?;
    if steps_down {
        store::user::check_admin_left(tx)?;
    }
    tx.publish(events::user_updated(&profile.user, caller));
    Ok(to_proto(profile))
}

/// Fields that UpdateUser takes.
const FIELDS: [&str; 7] = ["display_name", "email", "admin", "disabled", "color", "time_zone", "extension"];
/// Those that users may change of themselves. Not the address: who has it gets the invitations sent to it.
const OWN_FIELDS: [&str; 3] = ["display_name", "color", "time_zone"];

fn fields_set(user: &proto::User) -> Vec<&'static str> {
    let set = [
        ("display_name", !user.display_name.is_empty()),
        ("email", !user.email.is_empty()),
        ("admin", user.admin),
        ("disabled", user.disabled),
        ("color", !user.color.is_empty()),
        ("time_zone", !user.time_zone.is_empty()),
        ("extension", !user.extension.is_empty()),
    ];
    set.into_iter().filter(|(_, set)| *set).map(|(field, _)| field).collect()
}

fn merged(old: &Details, new: &proto::User, mask: &Mask) -> Details {
    let new = details(new);
    let mut merged = old.clone();
    for field in mask.fields() {
        match field.as_str() {
            "display_name" => merged.display_name.clone_from(&new.display_name),
            "email" => merged.email.clone_from(&new.email),
            "admin" => merged.admin = new.admin,
            "disabled" => merged.disabled = new.disabled,
            "color" => merged.color.clone_from(&new.color),
            "time_zone" => merged.time_zone.clone_from(&new.time_zone),
            "extension" => merged.extension.clone_from(&new.extension),
            _ => {}
        }
    }
    merged
}

fn check_may_update(caller: &Caller, user: &str, mask: &Mask) -> kontor_kit::Result<()> {
    if caller.admin {
        return Ok(());
    }
    check_own(caller, user)?;
    match mask.fields().iter().find(|field| !OWN_FIELDS.contains(&field.as_str())) {
        None => Ok(()),
        Some(field) => Err(Error::denied(format!("{field} is changed by administrators only"))),
    }
}

/// Checks that it is the caller's own record, or that the caller is an administrator.
///
/// # Errors
/// PERMISSION_DENIED.
pub fn check_own(caller: &Caller, user: &str) -> kontor_kit::Result<()> {
    if caller.admin || (!user.is_empty() && caller.user == user) {
        return Ok(());
    }
    Err(Error::denied(format!("only users/{user} and administrators may do this")))
}

/// Login name of a resource name; "users/me" is the caller.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`; NOT_FOUND for "users/me" when the installation itself calls.
pub fn user_of(caller: &Caller, name: &str, field: &str) -> kontor_kit::Result<String> {
    match id::parse("users", name, field)? {
        "me" if caller.user.is_empty() => Err(Error::not_found("users/me")),
        "me" => Ok(caller.user.clone()),
        user => Ok(user.to_owned()),
    }
}

/// A password from the wire, or none. The installation itself may set short ones: those of the demo accounts.
fn password(caller: &Caller, text: &str) -> kontor_kit::Result<Option<Password>> {
    match text {
        "" => Ok(None),
        text if caller.system => Password::any(text).map(Some),
        text => Password::parse(text).map(Some),
    }
}

fn details(user: &proto::User) -> Details {
    Details {
        display_name: user.display_name.clone(),
        email: user.email.clone(),
        admin: user.admin,
        disabled: user.disabled,
        color: user.color.clone(),
        time_zone: user.time_zone.clone(),
        extension: user.extension.clone(),
    }
}

fn created(user: &User) -> proto::User {
    to_proto(Profile { user: user.clone(), teams: Vec::new(), led_teams: Vec::new() })
}

/// A user as the API shows it.
pub fn to_proto(profile: Profile) -> proto::User {
    let Profile { user, teams, led_teams } = profile;
    let names = |teams: Vec<String>| teams.iter().map(|team| format!("teams/{team}")).collect();
    proto::User {
        name: user.name(),
        etag: user.etag(),
        display_name: user.details.display_name,
        email: user.details.email,
        admin: user.details.admin,
        disabled: user.details.disabled,
        color: user.details.color,
        time_zone: user.details.time_zone,
        extension: user.details.extension,
        teams: names(teams),
        led_teams: names(led_teams),
        create_time: Some(clock::to_proto(user.create_time)),
    }
}
