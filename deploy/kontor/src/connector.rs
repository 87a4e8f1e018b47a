//! `kontor connector list`, `status` and `add`: telephone systems of the running server, and what is wrong with them in words.
//! Called by `main.rs`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use kontor_kit::{Error, Result, clock};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::connector::Kind as ProtoKind;
use kontor_proto::telephony::v1::connector_service_client::ConnectorServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::server::{Server, refused};

/// Longest secret that is read, in bytes.
const SECRET_BYTES: u64 = 4 * 1024;
/// Connectors on a page.
const PAGE: i32 = 200;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List connectors, with one word on how each is doing.
    List {
        /// Where to ask.
        #[command(flatten)]
        server: Server,
    },
    /// Say how connectors are doing and what is wrong, in words. The exit code is 1 when something is wrong.
    Status {
        /// Where to ask.
        #[command(flatten)]
        server: Server,
        /// Which one: "pbx" [default: all].
        name: Option<String>,
    },
    /// Add a connector that takes posts or a gRPC stream. A secret that is made for it is printed once.
    Add(Add),
}

/// A new connector.
#[derive(Args)]
pub struct Add {
    #[command(flatten)]
    server: Server,
    /// How the telephone system speaks.
    kind: Kind,
    /// Id of the connector: 1 to 64 of a-z, 0-9, "-". It is part of the address that events are posted to.
    name: String,
    /// Name for people [default: the id].
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    display_name: String,
    /// File with the secret that checks the posts: Twilio's and Plivo's auth token, Vonage's signature secret. "-" reads it from standard input.
    /// Without it one is made, where Kontor may choose it (webhook, threecx).
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Twilio, Plivo: address that the provider posts to, when it is not the installation's `public.address`.
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    public_url: String,
    /// gRPC: user whose token may push: "pbx" [default: administrators only].
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    user: String,
    /// ISO 3166 country in which national numbers are read [default: the installation's].
    #[arg(long, value_name = "CC", default_value = "", hide_default_value = true)]
    region: String,
    /// Digits dialled before an outside number: "9".
    #[arg(long, value_name = "DIGITS", default_value = "", hide_default_value = true)]
    outside_prefix: String,
    /// Numbers of at most so many digits are extensions [default: 4].
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    extension_digits: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Webhook,
    Grpc,
    Twilio,
    Plivo,
    Vonage,
    #[value(name = "threecx", alias = "3cx")]
    ThreeCx,
}

/// Does it. The exit code is 1 when `status` finds something wrong.
///
/// # Errors
/// Those of the way to the server, and what the server refuses.
pub async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List { server } => {
            let connectors = Client::new(&server).await?.all().await?;
            print!("{}", list(&connectors));
            Ok(ExitCode::SUCCESS)
        }
        Command::Status { server, name } => {
            let mut client = Client::new(&server).await?;
            let connectors = match name {
                Some(name) => vec![client.one(&name).await?],
                None => client.all().await?,
            };
            // others are shown names only, and nothing of that says that all is well
            if let Some(hidden) = connectors.iter().find(|it| it.state.is_none()) {
                let message = format!("{}: only administrators see how it is doing", hidden.name);
                return Err(Error::denied(message));
            }
            print!("{}", connectors.iter().map(status).collect::<String>());
            let wrong = connectors.iter().filter(|it| !wrong(it).is_empty()).count();
            if connectors.is_empty() {
                println!("there are no connectors: `kontor connector add` makes one");
            }
            Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Add(given) => {
            let secret = given.secret_file.as_deref().map(read_secret).transpose()?.unwrap_or_default();
            let mut client = Client::new(&given.server).await?;
            let made = client.add(&given, secret).await?;
            print!("{}", added(&made, &given));
            Ok(ExitCode::SUCCESS)
        }
    }
}

struct Client {
    connectors: ConnectorServiceClient<Channel>,
    token: MetadataValue<Ascii>,
}

impl Client {
    async fn new(server: &Server) -> Result<Client> {
        let token = server.token()?;
        Ok(Client { connectors: ConnectorServiceClient::new(server.channel().await?), token })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token.clone());
        request
    }

    async fn all(&mut self) -> Result<Vec<proto::Connector>> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = self.request(proto::ListConnectorsRequest { page_size: PAGE, page_token });
            let page = self.connectors.list_connectors(request).await.map_err(refused)?.into_inner();
            all.extend(page.connectors);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }

    async fn one(&mut self, name: &str) -> Result<proto::Connector> {
        let id = name.strip_prefix("connectors/").unwrap_or(name);
        let request = self.request(proto::GetConnectorRequest { name: format!("connectors/{id}") });
        Ok(self.connectors.get_connector(request).await.map_err(refused)?.into_inner())
    }

    async fn add(&mut self, given: &Add, secret: String) -> Result<proto::Connector> {
        let connector = proto::Connector {
            display_name: if given.display_name.is_empty() {
                given.name.clone()
            } else {
                given.display_name.clone()
            },
            kind: Some(settings(given, secret)?),
            region: given.region.clone(),
            outside_prefix: given.outside_prefix.clone(),
            extension_digits: given.extension_digits,
            ..Default::default()
        };
        let request = self.request(proto::CreateConnectorRequest {
            connector: Some(connector),
            connector_id: given.name.clone(),
            ..Default::default()
        });
        let made = self.connectors.create_connector(request).await;
        made.map(tonic::Response::into_inner).map_err(|status| match status.code() {
            Code::PermissionDenied => {
                Error::denied("only administrators add connectors: use the app password of one")
            }
            _ => refused(status),
        })
    }
}

fn settings(given: &Add, secret: String) -> Result<ProtoKind> {
    let signed = matches!(given.kind, Kind::Twilio | Kind::Plivo);
    if !signed && !given.public_url.is_empty() {
        return Err(Error::invalid("--public-url", "only the signatures of twilio and plivo cover it"));
    }
    if given.kind != Kind::Grpc && !given.user.is_empty() {
        return Err(Error::invalid("--user", "only grpc has one"));
    }
    let needs = signed || given.kind == Kind::Vonage;
    if needs && secret.is_empty() {
        return Err(Error::invalid(
            "--secret-file",
            "it is needed: the provider's secret, by which its posts are known",
        ));
    }
    if given.kind == Kind::Grpc && !secret.is_empty() {
        return Err(Error::invalid("--secret-file", "grpc has none: its user signs in with an app password"));
    }
    let public_url = given.public_url.clone();
    let user = match given.user.as_str() {
        "" => String::new(),
        user if user.starts_with("users/") => user.to_owned(),
        user => format!("users/{user}"),
    };
    Ok(match given.kind {
        Kind::Webhook => ProtoKind::Webhook(proto::WebhookSettings { secret }),
        Kind::Grpc => ProtoKind::Grpc(proto::GrpcSettings { user }),
        Kind::Twilio => ProtoKind::Twilio(proto::TwilioSettings { auth_token: secret, public_url }),
        Kind::Plivo => ProtoKind::Plivo(proto::PlivoSettings { auth_token: secret, public_url }),
        Kind::Vonage => ProtoKind::Vonage(proto::VonageSettings { signature_secret: secret }),
        Kind::ThreeCx => ProtoKind::Threecx(proto::ThreeCxSettings { token: secret }),
    })
}

/// A secret is never an argument: those are seen by everybody on the machine.
fn read_secret(path: &Path) -> Result<String> {
    let wrong = |cause: std::io::Error| {
        Error::invalid("--secret-file", format!("can't read {}: {cause}", path.display()))
    };
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(SECRET_BYTES).read_to_string(&mut text).map_err(wrong)?;
    } else {
        let file = std::fs::File::open(path).map_err(wrong)?;
        file.take(SECRET_BYTES).read_to_string(&mut text).map_err(wrong)?;
    }
    let text = text.trim();
    if text.is_empty() { Err(Error::invalid("--secret-file", "it is empty")) } else { Ok(text.to_owned()) }
}

/// What was made, where it takes posts, and its secret when it was made with it. Only the secret itself goes on a line of its own.
fn added(made: &proto::Connector, given: &Add) -> String {
    let base = given.server.address().trim_end_matches('/');
    let mut text = format!("added {}\n", made.name);
    if given.kind != Kind::Grpc {
        let place = if given.public_url.is_empty() {
            format!(
                "{base}/telephony/{}/events, from outside at the same path of your public address",
                given.name
            )
        } else {
            given.public_url.clone()
        };
        text.push_str(&format!("it takes posts at {place}\n"));
    }
    let secret = match &made.kind {
        Some(ProtoKind::Webhook(it)) => it.secret.as_str(),
        Some(ProtoKind::Threecx(it)) => it.token.as_str(),
        _ => "",
    };
    if given.secret_file.is_none() && !secret.is_empty() {
        text.push_str(&format!("its secret, shown only now:\n{secret}\n"));
    }
    text
}

fn kind(connector: &proto::Connector) -> &'static str {
    match connector.kind {
        Some(ProtoKind::Webhook(_)) => "webhook",
        Some(ProtoKind::Grpc(_)) => "grpc",
        Some(ProtoKind::Asterisk(_)) => "asterisk",
        Some(ProtoKind::Ari(_)) => "ari",
        Some(ProtoKind::Freeswitch(_)) => "freeswitch",
        Some(ProtoKind::Twilio(_)) => "twilio",
        Some(ProtoKind::Plivo(_)) => "plivo",
        Some(ProtoKind::Vonage(_)) => "vonage",
        Some(ProtoKind::Threecx(_)) => "threecx",
        None => "",
    }
}

/// What is wrong, in words; nothing when all is well. A disabled connector is as somebody wanted it.
fn wrong(connector: &proto::Connector) -> Vec<String> {
    let Some(state) = connector.state.as_ref().filter(|_| !connector.disabled) else { return Vec::new() };
    let mut found = Vec::new();
    if !state.connected || state.clock_behind.is_some() {
        found.push(state.description.clone());
    }
    let heard = state.last_event_time.as_ref().map(clock::from_proto);
    for refused in &state.refused_posts {
        // What was refused before the last good post is over. Where good ones have come, one without a signature is a stranger's.
        let last = refused.last_time.as_ref().map(clock::from_proto);
        let is_stranger = refused.reason == "UNSIGNED" && heard.is_some();
        if last >= heard && last.is_some() && !is_stranger {
            let count = if refused.count == 1 {
                "1 post was".to_owned()
            } else {
                format!("{} posts were", refused.count)
            };
            found.push(format!(
                "{count} refused, the last one {}: {}",
                time(refused.last_time.as_ref()),
                refused.description
            ));
        }
    }
    let told = found.iter().any(|words| words.contains(&state.last_error));
    if !state.connected && !state.last_error.is_empty() && !told {
        found.push(format!("last trouble: {}", state.last_error));
    }
    found
}

fn time(time: Option<&prost_types::Timestamp>) -> String {
    let instant = time.and_then(|time| jiff::Timestamp::new(time.seconds, 0).ok());
    instant.map_or_else(|| "never".to_owned(), |instant| instant.to_string())
}

fn status(connector: &proto::Connector) -> String {
    let state = connector.state.clone().unwrap_or_default();
    let wrong = wrong(connector);
    let word = if wrong.is_empty() { "ok" } else { "WRONG" };
    let mut text = format!(
        "{} ({}): {word}, {}\n  last event: {}\n",
        plain(&connector.name),
        kind(connector),
        plain(&state.description),
        time(state.last_event_time.as_ref())
    );
    for words in wrong.iter().filter(|words| **words != state.description) {
        text.push_str(&format!("  {}\n", plain(words)));
    }
    text
}

fn list(connectors: &[proto::Connector]) -> String {
    let row = |it: &proto::Connector| {
        let state = match &it.state {
            None => "",
            Some(_) if it.disabled => "disabled",
            Some(_) if wrong(it).is_empty() => "ok",
            Some(_) => "WRONG",
        };
        let name = it.name.trim_start_matches("connectors/");
        [plain(name), kind(it).to_owned(), state.to_owned(), plain(&it.display_name)]
    };
    let head = ["name", "kind", "state", "display name"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(connectors.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (a, b, c) = (width(0), width(1), width(2));
    let line =
        |[name, kind, state, title]: &[String; 4]| format!("{name:<a$}  {kind:<b$}  {state:<c$}  {title}\n");
    rows.iter().map(line).collect()
}

/// Text of outsiders on a terminal: nothing in it may move the cursor.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    fn connector() -> proto::Connector {
        let state = proto::ConnectorState {
            connected: true,
            description: "ready to take posts".to_owned(),
            last_event_time: at(1_000),
            ..Default::default()
        };
        proto::Connector { name: "connectors/pbx".to_owned(), state: Some(state), ..Default::default() }
    }

    fn changed(change: impl FnOnce(&mut proto::Connector, &mut proto::ConnectorState)) -> Vec<String> {
        let mut connector = connector();
        let mut state = connector.state.take().unwrap();
        change(&mut connector, &mut state);
        connector.state = Some(state);
        wrong(&connector)
    }

    #[test]
    fn what_is_wrong_is_said_in_words_and_what_is_over_is_not() {
        assert!(wrong(&connector()).is_empty());
        let away = changed(|_, state| {
            state.connected = false;
            state.description = "not connected to 10.0.0.1:5038, tries again: refused".to_owned();
            state.last_error = "refused".to_owned();
        });
        assert_eq!(away, ["not connected to 10.0.0.1:5038, tries again: refused"]);
        let behind = changed(|_, state| {
            state.description = "ready to take posts; its clock is 58 minutes behind".to_owned();
            state.clock_behind = Some(prost_types::Duration { seconds: 3_480, nanos: 0 });
        });
        assert!(behind[0].contains("58 minutes behind"));
        let refused = |last: i64| {
            move |_: &mut proto::Connector, state: &mut proto::ConnectorState| {
                let description = "x-twilio-signature: it does not fit".to_owned();
                let refused =
                    proto::RefusedPosts { description, count: 2, last_time: at(last), ..Default::default() };
                state.refused_posts = vec![refused];
            }
        };
        let wanted =
            "2 posts were refused, the last one 1970-01-01T00:16:41Z: x-twilio-signature: it does not fit";
        assert_eq!(changed(refused(1_001)), [wanted]);
        assert!(changed(refused(999)).is_empty(), "a good post came after it");
        let stranger = changed(|connector, state| {
            refused(1_001)(connector, state);
            state.refused_posts[0].reason = "UNSIGNED".to_owned();
        });
        assert!(stranger.is_empty(), "anybody can send one without a signature");
        let disabled = changed(|connector, state| {
            connector.disabled = true;
            state.connected = false;
        });
        assert!(disabled.is_empty());
    }

    #[test]
    fn a_table_fits_and_moves_no_cursor() {
        let mut odd = connector();
        odd.display_name = "a\x1b[2Jb".to_owned();
        odd.kind = Some(ProtoKind::Twilio(proto::TwilioSettings::default()));
        assert_eq!(list(&[odd]), "name  kind    state  display name\npbx   twilio  ok     a [2Jb\n");
    }
}
