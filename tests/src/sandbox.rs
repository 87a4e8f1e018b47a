//! Starts Kontor for a scenario and gives the ways in: gRPC and HTTP, as any user.
//! Called through `both!` or directly.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use kontor::accounts::Accounts;
use kontor::config::{Config, services};
use kontor::serve::Running;
use kontor_gateway_metrics::render;
use kontor_kit::clock::Clock;

use crate::database::{Backend, Place};
use crate::{Grpc, Http, Process};

mod kontor_gateway_metrics {
    //! One recorder for the whole test process.
    use super::{Arc, OnceLock};

    type Render = Arc<dyn Fn() -> String + Send + Sync>;

    pub fn render() -> Render {
        static RENDER: OnceLock<Render> = OnceLock::new();
        RENDER.get_or_init(|| kontor::observe::metrics().expect("metrics start once")).clone()
    }
}

/// Password of every account of a sandbox.
pub const PASSWORD: &str = "correct horse";

/// Accounts of every sandbox: login name, team, administrator.
const ACCOUNTS: [(&str, Option<&str>, bool); 5] = [
    ("admin", None, true),
    ("manager", Some("sales"), false),
    ("sales", Some("sales"), false),
    ("colleague", Some("sales"), false),
    ("neighbour", Some("support"), false),
];

/// A running Kontor in one process. It is stopped and its data removed when it is dropped.
pub struct Sandbox {
    running: Option<Running>,
    /// Its settings.
    pub config: Config,
    place: Place,
}

impl Sandbox {
    /// Starts one with the accounts admin, manager (leads sales), sales, colleague and neighbour.
    pub async fn start(backend: Backend) -> Sandbox {
        Sandbox::start_with(backend, &[]).await
    }

    /// Starts one with more settings.
    pub async fn start_with(backend: Backend, more: &[(&str, &str)]) -> Sandbox {
        let place = Place::new(backend).await;
        let config = settings(&place, more);
        add_accounts(&config).await;
        let running = Running::start(&config, Clock::System, render()).await.expect("Kontor starts");
        let sandbox = Sandbox { running: Some(running), config, place };
        sandbox.lead_sales().await;
        sandbox
    }

    /// Stops it, keeping the data, and starts it again.
    pub async fn restart(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        self.running =
            Some(Running::start(&self.config, Clock::System, render()).await.expect("Kontor starts again"));
    }

    /// Folder of its data.
    pub fn folder(&self) -> &std::path::Path {
        self.place.folder.path()
    }

    /// The running process.
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("the sandbox runs")
    }

    /// "127.0.0.1:41234"
    pub fn address(&self) -> String {
        self.running().address.to_string()
    }

    /// gRPC as a user, over the network.
    pub fn grpc(&self, user: &str) -> Grpc {
        Grpc::new(&self.address(), user, PASSWORD)
    }

    /// HTTP as a user.
    pub fn http(&self, user: &str) -> Http {
        Http::new(&self.address()).sign_in(user, PASSWORD)
    }

    async fn lead_sales(&self) {
        make_leader(&self.grpc("admin")).await;
        self.wait_for_calendars().await;
    }

    /// The calendar service makes a new user's calendar when it hears of the user.
    async fn wait_for_calendars(&self) {
        for (user, _, _) in ACCOUNTS {
            wait_for_calendar(&self.grpc(user), user).await;
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.context.stop.cancel();
        }
    }
}

fn settings(place: &Place, more: &[(&str, &str)]) -> Config {
    let mut given = vec![
        ("data".to_owned(), place.folder.path().display().to_string()),
        ("listen".to_owned(), "127.0.0.1:0".to_owned()),
    ];
    given.extend(place.url.clone().map(|url| ("database.url".to_owned(), url)));
    given.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    Config::read(None, std::iter::empty(), given.into_iter()).expect("good settings")
}

async fn add_accounts(config: &Config) {
    let accounts = Accounts::open(config).await.expect("a database");
    for (name, team, admin) in ACCOUNTS {
        accounts.add_user(name, "", team, admin, PASSWORD).await.expect("a new account");
    }
}

async fn make_leader(admin: &Grpc) {
    use kontor_proto::directory::v1::{Team, UpdateTeamRequest};
    let team =
        Team { name: "teams/sales".into(), leaders: vec!["users/manager".into()], ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["leaders".into()] });
    let request = UpdateTeamRequest { team: Some(team), update_mask, ..Default::default() };
    admin.teams().update_team(request).await.expect("manager leads sales");
}

async fn wait_for_calendar(grpc: &Grpc, user: &str) {
    let owner = format!("users/{user}");
    for () in kontor_testbed::patience() {
        let calendars = grpc
            .calendars()
            .list_calendars(kontor_proto::calendar::v1::ListCalendarsRequest::default())
            .await;
        let calendars = calendars.expect("calendars are listed").into_inner().calendars;
        if calendars.iter().any(|calendar| calendar.owner == owner) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the calendar of {user} did not appear");
}

/// A Kontor whose services each run in a process of their own, with their own data folder, and meet only over the network with signed callers.
pub struct Split {
    processes: BTreeMap<&'static str, Process>,
    ports: BTreeMap<&'static str, u16>,
    place: Place,
}

impl Split {
    /// Starts every service and the gateway, each for itself.
    pub async fn start(backend: Backend) -> Split {
        let place = Place::new(backend).await;
        let ports = services().zip(free_ports(services().count())).collect();
        add_accounts(&settings(&place, &[("data", &Self::folder(&place, "directory"))])).await;
        let mut split = Split { processes: BTreeMap::new(), ports, place };
        // The order does not matter to them: a service that needs one that is not up yet waits for it.
        for service in services() {
            split.start_one(service).await;
        }
        make_leader(&split.grpc("admin")).await;
        for (user, _, _) in ACCOUNTS {
            wait_for_calendar(&split.grpc(user), user).await;
        }
        split
    }

    /// Starts one service that does not run, with the data that it had.
    pub async fn start_one(&mut self, service: &'static str) {
        let data = self.data(service);
        let listen = self.at(service);
        let mut variables = vec![("KONTOR_CLUSTER_KEY".to_owned(), "a key of one test run".to_owned())];
        variables.extend(self.place.url.clone().map(|url| ("KONTOR_DATABASE_URL".to_owned(), url)));
        variables.extend(services().filter(|peer| *peer != "gateway").map(|peer| {
            (format!("KONTOR_PEERS_{}", peer.to_uppercase()), format!("http://{}", self.at(peer)))
        }));
        let arguments = ["--services", service, "--listen", &listen, "--data", &data];
        self.processes.insert(service, Process::start_as(&arguments, &variables).await);
    }

    /// Kills one service without warning.
    pub async fn kill(&mut self, service: &str) {
        self.processes.remove(service).expect("it runs").kill().await;
    }

    /// gRPC as a user, at the gateway.
    pub fn grpc(&self, user: &str) -> Grpc {
        Grpc::new(&self.at("gateway"), user, PASSWORD)
    }

    /// HTTP as a user, at the gateway.
    pub fn http(&self, user: &str) -> Http {
        Http::new(&self.at("gateway")).sign_in(user, PASSWORD)
    }

    fn at(&self, service: &str) -> String {
        format!("127.0.0.1:{}", self.ports[service])
    }

    fn data(&self, service: &str) -> String {
        Self::folder(&self.place, service)
    }

    fn folder(place: &Place, service: &str) -> String {
        place.folder.path().join(service).display().to_string()
    }
}

fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> =
        (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    held.iter().map(|listener| listener.local_addr().expect("its address").port()).collect()
}
