//! App passwords: one for each device, shown once, revoked at once.
//! Called by rpc/user.rs, whose service they belong to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kontor_kit::auth::Caller;
use kontor_kit::page::Query;
use kontor_kit::{Result, clock, id, replay};
use kontor_proto::directory::v1 as proto;

use super::sign_in::random;
use super::user::{Users, check_own, user_of};
use crate::domain::credential::{AppSecret, hash_of};
use crate::domain::user::check_line;
use crate::store;
use crate::store::credential::AppPassword;

impl Users {
    /// CreateAppPassword. A repeat is answered without the secret, which is kept nowhere.
    pub(super) async fn create_app_password_for(
        &self,
        caller: Caller,
        request: proto::CreateAppPasswordRequest,
    ) -> Result<proto::CreateAppPasswordResponse> {
        let user = user_of(&caller, &request.parent, "parent")?;
        check_own(&caller, &user)?;
        let record = AppPassword {
            id: id::new(),
            user,
            display_name: check_line("display_name", &request.display_name, 100)?,
            create_time: self.db.clock().now(),
            last_use_time: 0,
        };
        let secret = AppSecret::from_random(random());
        let hash = hash_of(&secret);
        let made = Arc::new(AtomicBool::new(false));
        let mark = made.clone();
        let mut answer = self
            .db
            .write(move |tx| {
                mark.store(false, Ordering::SeqCst);
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    store::user::get(tx, &record.user)?;
                    store::credential::add_app_password(tx, &record, hash)?;
                    mark.store(true, Ordering::SeqCst);
                    let app_password = Some(to_proto(record.clone()));
                    Ok(proto::CreateAppPasswordResponse { app_password, secret: String::new() })
                })
            })
            .await?;
        if made.load(Ordering::SeqCst) {
            answer.secret = secret.shown();
        }
        Ok(answer)
    }

    /// ListAppPasswords.
    pub(super) async fn list_app_passwords_of(
        &self,
        caller: Caller,
        request: proto::ListAppPasswordsRequest,
    ) -> Result<proto::ListAppPasswordsResponse> {
        let user = user_of(&caller, &request.parent, "parent")?;
        check_own(&caller, &user)?;
        let proto::ListAppPasswordsRequest { page_size, page_token, .. } = request;
        let query = Query { page_size, page_token, ..Query::default() };
        let page = self
            .db
            .read(move |conn| {
                store::user::get(conn, &user)?;
                store::credential::list_app_passwords(conn, &caller, &user, &query)
            })
            .await?
            .map(to_proto);
        Ok(proto::ListAppPasswordsResponse {
            app_passwords: page.rows,
            next_page_token: page.next_page_token,
        })
    }

    /// DeleteAppPassword.
    pub(super) async fn delete_app_password_of(
        &self,
        caller: Caller,
        request: proto::DeleteAppPasswordRequest,
    ) -> Result<()> {
        let (user, app_password) = id::parse_child("users", "appPasswords", &request.name, "name")?;
        let user = if user == "me" { caller.user.clone() } else { user.to_owned() };
        check_own(&caller, &user)?;
        let app_password = app_password.to_owned();
        let sign_ins = self.sign_ins.clone();
        self.db
            .write(move |tx| {
                replay::once(tx, &caller, &request.request_id, &request, |tx| {
                    sign_ins.end_on_commit(tx, &user);
                    store::credential::remove_app_password(tx, &user, &app_password)
                })
            })
            .await
    }
}

fn to_proto(record: AppPassword) -> proto::AppPassword {
    proto::AppPassword {
        name: format!("users/{}/appPasswords/{}", record.user, record.id),
        display_name: record.display_name,
        create_time: Some(clock::to_proto(record.create_time)),
        last_use_time: (record.last_use_time > 0).then(|| clock::to_proto(record.last_use_time)),
    }
}
