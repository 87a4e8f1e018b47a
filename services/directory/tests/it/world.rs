//! A started directory with its clients.
//! Used by the other files of this folder.

use kontor_kit::auth::Caller;
use kontor_kit::db::Db;
use kontor_kit::link::Link;
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::change_service_client::ChangeServiceClient;
use kontor_proto::directory::v1::credential_service_client::CredentialServiceClient;
use kontor_proto::directory::v1::team_service_client::TeamServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::r#type::v1::{Event, WatchChangesRequest};
use kontor_testbed::{Place, admin};
use tonic::Status;

/// The directory in one process.
pub struct World {
    pub place: Place,
    pub link: Link,
    pub users: UserServiceClient<Link>,
    pub teams: TeamServiceClient<Link>,
    pub credentials: CredentialServiceClient<Link>,
}

impl World {
    pub async fn start(place: Place) -> World {
        let unit = kontor_directory::start(&place.context).await.unwrap();
        let link = Link::local(unit.routes);
        World {
            place,
            users: UserServiceClient::new(link.clone()),
            teams: TeamServiceClient::new(link.clone()),
            credentials: CredentialServiceClient::new(link.clone()),
            link,
        }
    }

    /// The same database, opened as the command line opens it beside a running server.
    pub async fn other_process(&self) -> Db {
        let context = &self.place.context;
        Db::open(&context.storage, "directory", kontor_directory::MIGRATIONS, context.clock.clone())
            .await
            .unwrap()
    }

    pub fn pass(&self, micros: i64) {
        self.place.pass(micros);
    }

    pub async fn add_user(&self, user_id: &str, password: &str) -> proto::User {
        let request = proto::CreateUserRequest {
            user: Some(proto::User { display_name: user_id.to_owned(), ..Default::default() }),
            user_id: user_id.to_owned(),
            password: password.to_owned(),
            ..Default::default()
        };
        self.users.clone().create_user(admin().request(request)).await.unwrap().into_inner()
    }

    pub async fn check(
        &self,
        user: &str,
        secret: &str,
        peer: &str,
    ) -> Result<proto::CheckCredentialResponse, Status> {
        let request = proto::CheckCredentialRequest {
            user: user.to_owned(),
            secret: secret.to_owned(),
            peer: peer.to_owned(),
        };
        let answer = self.credentials.clone().check_credential(Caller::system().request(request)).await?;
        Ok(answer.into_inner())
    }

    pub async fn app_password(&self, user: &str, device: &str) -> proto::CreateAppPasswordResponse {
        let request = proto::CreateAppPasswordRequest {
            parent: format!("users/{user}"),
            display_name: device.to_owned(),
            ..Default::default()
        };
        self.users.clone().create_app_password(admin().request(request)).await.unwrap().into_inner()
    }

    /// All events so far.
    pub async fn events(&self) -> Vec<Event> {
        let request =
            WatchChangesRequest { resume_token: "0".to_owned(), until_now: true, ..Default::default() };
        let mut client = ChangeServiceClient::new(self.link.clone());
        let mut stream = client.watch_changes(admin().request(request)).await.unwrap().into_inner();
        let mut events = Vec::new();
        while let Some(change) = stream.message().await.unwrap() {
            events.extend(change.event);
        }
        events
    }
}
