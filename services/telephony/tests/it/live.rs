//! T1, T2 and T6 with a live Asterisk, by AMI and ARI, and SIPp as telephone and trunk, out of a chroot: the same calls as in the recordings.
//! Left out with a loud line unless KONTOR_TEST_ASTERISK names the folder that `tests/live/chroot.sh` made.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::{CallDirection, CallOutcome, CallState};
use kontor_testbed::Place;

use crate::start_call::{add, asterisk, sales, to};
use crate::switchboard::free_port;
use crate::world::World;

/// Variable with the chroot.
const ROOT: &str = "KONTOR_TEST_ASTERISK";
/// How far ringing and talking may be from the recorded times, in milliseconds: SIPp pauses to the tick.
const NEAR_MILLIS: i64 = 400;

/// A program in the chroot, ended with the test.
struct Inside(Child);

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An Asterisk with its telephone and its trunk.
struct Office {
    root: PathBuf,
    folder: String,
    ami: u16,
    http: u16,
    sip: u16,
    /// Asterisk is the first.
    running: Vec<Inside>,
}

impl Drop for Office {
    fn drop(&mut self) {
        self.running.clear();
        let _ = std::fs::remove_dir_all(self.root.join(self.folder.trim_start_matches('/')));
    }
}

fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Office {
    async fn open(root: PathBuf) -> Office {
        let folder = format!("/kontor-{}", kontor_kit::id::new());
        let (sip, phone, busy, trunk) = (free_udp_port(), free_udp_port(), free_udp_port(), free_udp_port());
        let slow = free_udp_port();
        let (ami, http) = (free_port().await, free_port().await);
        let inside = root.join(folder.trim_start_matches('/'));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live");
        for part in ["etc", "sipp"] {
            std::fs::create_dir_all(inside.join(part)).unwrap();
            for entry in std::fs::read_dir(source.join(part)).unwrap().flatten() {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                let text = text.replace("{folder}", &folder).replace("{ami}", &ami.to_string());
                let text = text.replace("{sip}", &sip.to_string()).replace("{phone}", &phone.to_string());
                let text = text.replace("{trunk}", &trunk.to_string()).replace("{busy}", &busy.to_string());
                let text = text.replace("{http}", &http.to_string()).replace("{slow}", &slow.to_string());
                std::fs::write(inside.join(part).join(entry.file_name()), text).unwrap();
            }
        }
        let mut office = Office { root, folder, ami, http, sip, running: Vec::new() };
        office.asterisk();
        office.sipp("phone", &["-p", &phone.to_string(), "-d", "1000"]);
        office.sipp("phone", &["-p", &slow.to_string(), "-d", "6000"]);
        office.sipp("busy", &["-p", &busy.to_string()]);
        office.sipp("called", &["-p", &trunk.to_string()]);
        office
    }

    fn asterisk(&mut self) {
        let config = format!("{}/etc/asterisk.conf", self.folder);
        self.run("asterisk.log", &["/usr/sbin/asterisk", "-f", "-n", "-C", &config]);
    }

    /// Asterisk is killed and started anew.
    fn restart(&mut self) {
        drop(self.running.remove(0));
        self.asterisk();
        self.running.rotate_right(1);
    }

    fn run(&mut self, log: &str, command: &[&str]) {
        let log = self.root.join(self.folder.trim_start_matches('/')).join(log);
        let log = std::fs::File::create(log).unwrap();
        let mut chroot = Command::new("chroot");
        chroot.arg(&self.root).args(command).env("TERM", "dumb").stdin(Stdio::null());
        chroot.stdout(log.try_clone().unwrap()).stderr(log);
        self.running.push(Inside(chroot.spawn().unwrap()));
    }

    fn sipp(&mut self, scene: &str, more: &[&str]) {
        let file = format!("{}/sipp/{scene}.xml", self.folder);
        let command = [&["/usr/bin/sipp", "-sf", &file, "-i", "127.0.0.1", "-nostdin"], more].concat();
        self.run(&format!("{scene}.log"), &command);
    }

    /// Somebody calls one of our numbers.
    fn call_in(&mut self, scene: &str, number: &str) {
        let (remote, own) = (format!("127.0.0.1:{}", self.sip), free_udp_port().to_string());
        self.sipp(scene, &[&remote, "-s", number, "-m", "1", "-p", &own]);
    }

    /// Waits until Asterisk has read its dial plan: AMI takes connections before, and refuses clicks then.
    fn booted(&self) {
        let config = format!("{}/etc/asterisk.conf", self.folder);
        let mut ask = Command::new("chroot");
        ask.arg(&self.root).args(["/usr/sbin/asterisk", "-C", &config, "-rx", "core waitfullybooted"]);
        let asked = ask.env("TERM", "dumb").stdin(Stdio::null()).output().unwrap();
        assert!(asked.status.success(), "{asked:?}");
    }

    /// What the programs said, for a test that fails.
    fn words(&self) -> String {
        let inside = self.root.join(self.folder.trim_start_matches('/'));
        let names = ["messages", "asterisk.log", "phone.log", "called.log", "caller.log"];
        let read = |name: &&str| {
            let text = std::fs::read_to_string(inside.join(name)).unwrap_or_default();
            let from = text.floor_char_boundary(text.len().saturating_sub(3_000));
            format!("== {name}\n{}\n", &text[from..])
        };
        names.iter().map(read).collect()
    }
}

/// Waits until Kontor is connected: an Asterisk takes some seconds to start.
async fn up(world: &World, office: &Office, connector: &str) {
    for () in kontor_testbed::patience() {
        if world.connector(connector).await.state.unwrap().connected {
            return office.booted();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}\n{}", world.connector(connector).await.state, office.words());
}

async fn ended(world: &World, office: &Office, wanted: usize) -> Vec<proto::Call> {
    for () in kontor_testbed::patience() {
        let mut calls = world.list("state = ENDED").await;
        if calls.len() >= wanted {
            calls.sort_by(|one, other| one.name.cmp(&other.name));
            return calls;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{wanted} calls were expected: {:#?}\n{}", world.list("").await, office.words());
}

fn near(found: Option<prost_types::Duration>, recorded: i64) -> bool {
    let found = found.map_or(0, |it| it.seconds * 1_000 + i64::from(it.nanos) / 1_000_000);
    (found - recorded).abs() <= NEAR_MILLIS
}

/// A world with a live Asterisk; none, and a loud line, where there is none.
async fn live() -> Option<(World, Office)> {
    let Some(root) = std::env::var_os(ROOT) else {
        eprintln!(
            "LEFT OUT: no live Asterisk is tried: {ROOT} names no folder made by services/telephony/tests/live/chroot.sh"
        );
        return None;
    };
    let world = World::start(Place::sqlite()).await;
    world.place.set_clock(jiff::Timestamp::now().as_microsecond());
    let office = Office::open(root.into()).await;
    add(&world, "office", asterisk(office.ami)).await.unwrap();
    up(&world, &office, "office").await;
    Some((world, office))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_live_asterisk_restarted_in_the_middle_of_a_call() {
    let Some((world, mut office)) = live().await else { return };
    world.calls.clone().start_call(sales().request(to("01 45 55 98 76"))).await.unwrap();
    let mut tries = 0;
    while world.only_call().await.state() != CallState::Answered {
        tries += 1;
        assert!(tries < 1_000, "{:#?}\n{}", world.only_call().await, office.words());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    office.restart();
    let call = ended(&world, &office, 1).await.remove(0);
    assert_eq!(call.outcome(), CallOutcome::Answered, "{call:#?}");
    up(&world, &office, "office").await;
    world.calls.clone().start_call(sales().request(to("01 45 55 98 76"))).await.unwrap();
    let call = ended(&world, &office, 2).await.remove(1);
    assert_eq!(call.outcome(), CallOutcome::Answered, "{call:#?}");
    assert!(near(call.ring_duration, 1_005) && near(call.talk_duration, 1_502), "{call:#?}");
    assert_eq!(world.list("").await.len(), 2, "nothing is doubled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_live_asterisk_agrees_with_the_recordings() {
    let Some((world, mut office)) = live().await else { return };
    // the recorded scene "click": ring 1,005 ms, talk 1,502 ms
    let request = proto::StartCallRequest { request_id: "live".into(), ..to("01 45 55 98 76") };
    let started =
        world.calls.clone().start_call(sales().request(request.clone())).await.unwrap().into_inner();
    let again = world.calls.clone().start_call(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(again.name, started.name);
    let call = ended(&world, &office, 1).await.remove(0);
    assert_eq!((&call.name, &call.external_id), (&started.name, &started.external_id));
    assert_eq!(
        (call.direction(), call.outcome()),
        (CallDirection::Outbound, CallOutcome::Answered),
        "{call:#?}"
    );
    assert_eq!((call.user.as_str(), call.failure.as_str()), ("users/sales", ""));
    assert!(near(call.ring_duration, 1_005) && near(call.talk_duration, 1_502), "{call:#?}");
    // the recorded scene "answered": ring 1,008 ms, talk 2,045 ms
    office.call_in("caller", "100");
    let call = ended(&world, &office, 2).await.remove(1);
    assert_eq!(
        (call.direction(), call.outcome()),
        (CallDirection::Inbound, CallOutcome::Answered),
        "{call:#?}"
    );
    assert_eq!(call.caller.as_ref().unwrap().e164, "+33145551234");
    assert_eq!((call.user.as_str(), call.state()), ("users/sales", CallState::Ended));
    assert!(near(call.ring_duration, 1_008) && near(call.talk_duration, 2_045), "{call:#?}");
    assert_eq!(world.list("").await.len(), 2);
    // a context that is not there: refused or failed, and said in words
    let connector = proto::Connector {
        name: "connectors/office".into(),
        dial: Some(proto::DialSettings { context: "nowhere".into(), ..Default::default() }),
        ..Default::default()
    };
    let update = proto::UpdateConnectorRequest {
        connector: Some(connector),
        update_mask: Some(prost_types::FieldMask { paths: vec!["dial.context".into()] }),
        ..Default::default()
    };
    world.connectors.clone().update_connector(kontor_testbed::admin().request(update)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    up(&world, &office, "office").await;
    world.calls.clone().start_call(sales().request(to("01 45 55 98 76"))).await.unwrap();
    let call = ended(&world, &office, 3).await.remove(2);
    assert_eq!(call.outcome(), CallOutcome::Failed, "{call:#?}");
    assert!(!call.failure.is_empty());
}

/// What is told of one call, but its name and its connector.
fn told(call: &proto::Call) -> impl PartialEq + std::fmt::Debug {
    let end = |end: &Option<proto::Party>| end.as_ref().map(|end| (end.number.clone(), end.e164.clone()));
    (
        (call.external_id.clone(), call.direction(), call.state(), call.outcome()),
        (end(&call.caller), end(&call.callee), call.user.clone(), call.queue.clone(), call.transfers.len()),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t1_live_ari_and_ami_of_the_same_calls_agree() {
    let Some((world, mut office)) = live().await else { return };
    let settings = proto::AriSettings { password: "s3cret".into(), ..crate::ari::settings(office.http) };
    add(&world, "rest", crate::ari::connector(settings)).await.unwrap();
    up(&world, &office, "rest").await;
    let scenes = [
        ("caller", "100"),
        ("impatient", "100"),
        ("caller", "103"),
        ("caller", "102"),
        ("caller", "110"),
        ("caller", "111"),
    ];
    for (number, (scene, called)) in scenes.iter().enumerate() {
        office.call_in(scene, called);
        ended(&world, &office, 2 * (number + 1)).await;
    }
    // and a click to call that goes out by ARI
    let click = proto::StartCallRequest { connector: "connectors/rest".into(), ..to("01 45 55 98 76") };
    let clicked = world.calls.clone().start_call(sales().request(click)).await.unwrap().into_inner();
    let all = ended(&world, &office, 2 * (scenes.len() + 1)).await;
    assert_eq!(all.len(), 2 * (scenes.len() + 1), "{all:#?}");
    let by = |connector: &str| -> Vec<proto::Call> {
        let mut calls: Vec<_> =
            all.iter().filter(|call| call.connector == format!("connectors/{connector}")).cloned().collect();
        calls.sort_by_key(|call| call.start_time.map(|time| (time.seconds, time.nanos)));
        calls
    };
    let (mut ami, mut ari) = (by("office"), by("rest"));
    // that one began by our clock, which stands still
    let last = |calls: &mut Vec<proto::Call>| {
        let at = calls.iter().position(|call| call.external_id == clicked.external_id).unwrap();
        let click = calls.remove(at);
        calls.push(click);
    };
    last(&mut ami);
    last(&mut ari);
    let outcomes: Vec<CallOutcome> = ari.iter().map(proto::Call::outcome).collect();
    use CallOutcome::{Abandoned, Answered, Busy, Missed, NoAnswer};
    assert_eq!(outcomes, [Answered, Missed, NoAnswer, Busy, Answered, Abandoned, Answered], "{ari:#?}");
    assert_eq!(ari[6].name, clicked.name, "events are of the call that was stored first");
    for (number, (ami, ari)) in ami.iter().zip(&ari).enumerate() {
        let millis = |of: Option<prost_types::Duration>| {
            of.map_or(0, |it| it.seconds * 1_000 + i64::from(it.nanos) / 1_000_000)
        };
        // who clicked is known of the one that was clicked, the caller of the other is the telephone: compare what Asterisk told
        if number < scenes.len() {
            assert_eq!(told(ami), told(ari));
        } else {
            assert_eq!((&ami.external_id, ami.outcome()), (&ari.external_id, ari.outcome()));
        }
        assert!((millis(ami.ring_duration) - millis(ari.ring_duration)).abs() <= 10, "{ami:#?} {ari:#?}");
        assert!((millis(ami.talk_duration) - millis(ari.talk_duration)).abs() <= 10, "{ami:#?} {ari:#?}");
    }
}
