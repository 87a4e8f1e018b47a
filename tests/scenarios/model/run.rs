//! A run: chooses the steps, and compares what each concerned.
//! Called by the scenarios.

use std::collections::BTreeMap;

use kontor_tests::Sandbox;

use super::client::{self, Client};
use super::overview;
use super::random::{Log, Random};
use super::world::{COMPANY, Condition, Kind, ShelfId, USERS, World};
use crate::support::texts;

/// Steps between two comparisons of everything.
const WHOLE: usize = 500;
/// Devices of each user.
const DEVICES: usize = 2;

pub struct Run {
    pub world: World,
    pub clients: Vec<Client>,
    pub random: Random,
    pub log: Log,
    // Stops Kontor at the end.
    _sandbox: Sandbox,
}

impl Run {
    pub async fn new(sandbox: Sandbox, seed: u64) -> Run {
        let mut clients = Vec::new();
        for (user, _) in USERS {
            for device in 0..DEVICES {
                clients.push(Client {
                    user,
                    name: format!("{user}#{device}"),
                    http: sandbox.http(user),
                    grpc: sandbox.grpc(user),
                    mirrors: BTreeMap::new(),
                    overview: overview::Mirror::default(),
                });
            }
        }
        let mut run = Run {
            world: World::new(),
            clients,
            random: Random::new(seed),
            log: Log::new(seed),
            _sandbox: sandbox,
        };
        run.log.note("what a new Kontor has".into());
        run.everything().await;
        run
    }

    pub async fn steps(mut self, steps: usize) {
        for step in 1..=steps {
            self.log.begin();
            self.step().await;
            if step % 10_000 == 0 {
                println!("the model's run with seed {} did {step} steps", self.log.seed());
            }
            if step % WHOLE == 0 || step == steps {
                self.log.note("everything is compared".into());
                self.everything().await;
            }
        }
        println!("what the clients did: {}", self.log.tally());
    }

    async fn step(&mut self) {
        match self.random.below(100) {
            0..=24 => self.put().await,
            25..=26 => self.post().await,
            27..=33 => self.delete().await,
            34..=44 => self.transfer().await,
            45..=46 => self.race().await,
            47..=66 => self.sync().await,
            67..=72 => self.read().await,
            73..=74 => self.make().await,
            75 => self.remove().await,
            76..=77 => self.describe().await,
            78..=82 => self.share().await,
            83..=84 => self.unshare().await,
            85..=89 => self.create_over_grpc().await,
            90..=95 => self.change_over_grpc().await,
            96..=97 => self.change_an_instance().await,
            98 => {
                let (at, limit) = (self.some_client(), self.random.below(4));
                self.log.note(format!("{} syncs the overview by {limit}", self.clients[at].name));
                self.sync_overview(at, limit).await;
            }
            _ => self.delete_over_grpc().await,
        }
    }

    pub fn some_client(&mut self) -> usize {
        self.random.below(self.clients.len())
    }

    /// A client of the collection's owner.
    pub fn owner_of(&self, id: &ShelfId) -> &Client {
        self.clients
            .iter()
            .find(|client| client.user == id.1 || id.1 == COMPANY)
            .expect("every owner has a client")
    }

    /// Mostly a collection in the client's home, at times one that it does not see or that is not there.
    pub fn some_shelf(&mut self, client: usize, kind: Option<Kind>) -> ShelfId {
        let fits = |id: &&ShelfId| kind.is_none_or(|kind| id.0 == kind);
        if self.random.chance(5) {
            let all: Vec<ShelfId> = self.world.shelves.keys().filter(fits).cloned().collect();
            return self.random.pick(&all).clone();
        }
        let user = self.clients[client].user;
        if self.random.chance(2) {
            return (kind.unwrap_or(Kind::Calendar), user.to_owned(), "nowhere".to_owned());
        }
        let mut seen = self.world.home(user, Kind::Calendar);
        seen.extend(self.world.home(user, Kind::Book));
        seen.retain(|id| fits(&id));
        self.random.pick(&seen).clone()
    }

    /// Mostly a name that is there.
    pub fn some_name(&mut self, id: &ShelfId) -> String {
        const ODD: [&str; 8] = ["a b", "ü", "a&b", "<x>", "100%", "plus+", "semi;colon,", "~'quoted'"];
        let present: Vec<String> = self
            .world
            .shelves
            .get(id)
            .map(|shelf| shelf.things.keys().cloned().collect())
            .unwrap_or_default();
        if !present.is_empty() && self.random.chance(60) {
            return self.random.pick(&present).clone();
        }
        let ending = if id.0 == Kind::Book { "vcf" } else { "ics" };
        match self.random.below(20) {
            odd if odd < ODD.len() => format!("{}.{ending}", ODD[odd]),
            number => format!("n{number}.{ending}"),
        }
    }

    /// A condition on an object, right or wrong.
    pub fn some_condition(&mut self, user: &str, id: &ShelfId, name: &str) -> Condition {
        const WRONG: &str = "\"0123456789abcdef0123456789abcdef\"";
        let present = self.world.see(user, id, name).map(|thing| thing.etag());
        let right = present.unwrap_or_else(|| WRONG.to_owned());
        match self.random.below(100) {
            0..=39 => Condition::None,
            40..=59 => Condition::Match(right),
            60..=69 => Condition::Match(WRONG.to_owned()),
            70..=74 => Condition::MatchAny,
            75..=87 => Condition::NoneAny,
            88..=91 => Condition::Tagged(right),
            92..=93 => Condition::Tagged(WRONG.to_owned()),
            94..=97 if self.world.access(user, id).is_some() => {
                Condition::Token(self.world.shelves[id].token.clone())
            }
            98..=99 if self.world.access(user, id).is_some() => {
                let token = self.world.shelves[id].token.clone();
                let (rest, number) = token.rsplit_once('/').expect("a change number");
                let number: i64 = number.parse().expect("a number");
                Condition::Token(format!("{rest}/{}", number - 1))
            }
            _ => Condition::None,
        }
    }

    /// Compares what a step concerned: the objects, as the owner and somebody else see them, and the tokens of their collections.
    pub async fn compare(&mut self, concerned: &[(&ShelfId, &[&str])]) {
        for (id, names) in concerned {
            if self.world.shelves.contains_key(*id) {
                for name in *names {
                    self.compare_object(self.owner_of(id), id, name).await;
                }
                self.compare_tags(id).await;
            }
            let other = self.some_client();
            for name in *names {
                self.compare_object(&self.clients[other], id, name).await;
            }
        }
    }

    pub async fn compare_object(&self, client: &Client, id: &ShelfId, name: &str) {
        let seen = self.world.see(client.user, id, name);
        let answer = client.get(id, name).await;
        let (status, what) =
            (answer.status.as_u16(), format!("{} at {id:?} {name} for {}", answer.status, client.name));
        match seen {
            None => assert_eq!(status, 404, "{what}"),
            Some(thing) => {
                assert_eq!(status, 200, "{what}");
                assert_eq!(answer.text(), String::from_utf8_lossy(&thing.bytes), "{what}");
                assert_eq!(answer.header("etag"), thing.etag(), "{what}");
            }
        }
    }

    /// Sync token and getctag changed exactly when the model says that something did, and are the same for all who see it.
    pub async fn compare_tags(&mut self, id: &ShelfId) {
        let owner = self.owner_of(id);
        let path = client::path(owner.user, id);
        let answer = owner.http.propfind(&path, "0", "<D:sync-token/><S:getctag/>").await.expect(207).text();
        let one = |element: &str| {
            texts(&answer, element).pop().unwrap_or_else(|| panic!("no {element} in {answer}"))
        };
        let (token, ctag) = (one("sync-token"), one("getctag"));
        let shelf = self.world.shelves.get_mut(id).expect("it is there");
        if shelf.tagged != 0 {
            let changed = shelf.version != shelf.tagged;
            assert_eq!(token != shelf.token, changed, "sync token of {id:?}: {} became {token}", shelf.token);
            assert_eq!(ctag != shelf.ctag, changed, "getctag of {id:?}: {} became {ctag}", shelf.ctag);
        }
        (shelf.token, shelf.ctag, shelf.tagged) = (token, ctag, shelf.version);
    }
}
