//! The layer around a service: deadline, caller and metrics, the same in process and from another process.

use std::time::{Duration, Instant};

use http::Request;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kontor_kit::auth::{CALLER_HEADER, Caller, ClusterKey};
use kontor_kit::clock::Clock;
use kontor_kit::context::Context;
use kontor_kit::link::Link;
use kontor_kit::routes::{Answer, Answers, Routes};
use kontor_kit::unit::Unit;
use kontor_testbed::caller;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::support::Place;

/// Methods of the contracts, so that they are known: one answers with the caller's name, one takes a minute.
const WHO: &str = "/kontor.directory.v1.UserService/GetUser";
const SLOW: &str = "/kontor.directory.v1.UserService/ListUsers";

struct Users;

impl Answers for Users {
    fn answer(&self, request: Request<Body>) -> Answer {
        let name =
            request.extensions().get::<Caller>().map_or("nobody".to_owned(), |caller| caller.user.clone());
        let path = request.uri().path().to_owned();
        Box::pin(async move {
            let status = match path.as_str() {
                WHO => Status::new(Code::AlreadyExists, name),
                SLOW => {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    Status::new(Code::Ok, "late")
                }
                _ => Status::unimplemented(path),
            };
            Ok(status.into_http())
        })
    }
}

pub fn unit(context: &Context) -> Unit {
    Unit::new("directory", context, Routes::default().add("kontor.directory.v1.UserService", Users))
}

fn key() -> ClusterKey {
    ClusterKey::new(b"0123456789abcdef").expect("long enough")
}

fn context(place: &Place) -> Context {
    Context { cluster_key: Some(key()), ..place.context() }
}

/// Serves the unit on a port of its own, as another process would.
pub async fn serve(unit: Unit) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let services = unit.routes.clone();
            let service = service_fn(move |request: Request<_>| services.answer(request.map(Body::new)));
            let connection =
                http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}

pub async fn call(link: &Link, path: &str, headers: &[(&str, &str)], caller: Option<Caller>) -> Status {
    let mut request = Request::post(format!("http://local{path}")).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).expect("a request");
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let Ok(response) = link.answer(request).await;
    Status::from_header_map(response.headers()).unwrap_or_else(|| Status::new(Code::Ok, ""))
}

async fn both(place: &Place) -> [(&'static str, Link); 2] {
    let context = context(place);
    let address = serve(unit(&context)).await;
    let remote = Link::remote("directory", &address, key(), Clock::System).expect("an address");
    [("in process", Link::local(unit(&context).routes)), ("remote", remote)]
}

#[tokio::test]
async fn a_deadline_ends_a_call_in_process_and_remote() {
    for (how, link) in both(&Place::sqlite()).await {
        let started = Instant::now();
        let status = call(&link, SLOW, &[("grpc-timeout", "100m")], None).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{how}");
        assert!(started.elapsed() < Duration::from_secs(5), "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_or_with_an_odd_one_gets_ours() {
    let link = Link::local(unit(&context(&Place::sqlite())).routes);
    for timeout in ["", "m", "1", "123456789S", "-1S", "1x", "ää"] {
        let started = tokio::time::Instant::now();
        let status = call(&link, SLOW, &[("grpc-timeout", timeout)], None).await;
        // The method and the default deadline both take a minute: whichever is first, it ends then.
        assert!([Code::DeadlineExceeded, Code::Ok].contains(&status.code()));
        assert!(started.elapsed() >= Duration::from_secs(59), "{timeout:?} was taken for a deadline");
    }
    assert_eq!(call(&link, SLOW, &[("grpc-timeout", "1n")], None).await.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn the_caller_is_the_same_in_process_and_remote() {
    for (how, link) in both(&Place::sqlite()).await {
        let status = call(&link, WHO, &[], Some(caller("anna", &[], &[]))).await;
        assert_eq!(status.message(), "anna", "{how}");
        assert_eq!(call(&link, WHO, &[], None).await.message(), "nobody", "{how}");
    }
}

#[tokio::test]
async fn a_forged_or_old_caller_header_is_nobody() {
    let context = context(&Place::sqlite());
    let link = Link::local(unit(&context).routes);
    let now = Clock::System.now();
    let sign = |key: &ClusterKey, at: i64| key.sign(&caller("anna", &[], &[]), at).expect("signed");
    let forger = ClusterKey::new(b"another key, long").expect("long enough");
    for (header, wanted) in [
        (sign(&key(), now), "anna"),
        (sign(&key(), now - 61_000_000), "nobody"),
        (sign(&forger, now), "nobody"),
        ("nonsense".to_owned(), "nobody"),
    ] {
        assert_eq!(call(&link, WHO, &[(CALLER_HEADER, &header)], None).await.message(), wanted);
    }
    let keyless = Link::local(unit(&Place::sqlite().context()).routes);
    assert_eq!(call(&keyless, WHO, &[(CALLER_HEADER, &sign(&key(), now))], None).await.message(), "nobody");
}

#[tokio::test]
async fn a_remote_link_drops_a_caller_header_that_it_was_given() {
    let [_, (_, remote)] = both(&Place::sqlite()).await;
    let header = key().sign(&Caller::system(), Clock::System.now()).expect("signed");
    assert_eq!(call(&remote, WHO, &[(CALLER_HEADER, &header)], None).await.message(), "nobody");
}

#[test]
fn outsiders_make_no_new_labels() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let link = Link::local(unit(&context(&Place::sqlite())).routes);
            call(&link, WHO, &[], None).await;
            for number in 0..100 {
                call(&link, &format!("/kontor.directory.v1.UserService/Made{number}"), &[], None).await;
            }
        });
    });
    let text = recorder.handle().render();
    let counts: Vec<_> = text.lines().filter(|line| line.starts_with("kontor_rpc_total{")).collect();
    assert_eq!(counts.len(), 2, "{text}");
    assert!(text.contains("method=\"/kontor.directory.v1.UserService/GetUser\",code=\"6\"} 1"), "{text}");
    assert!(text.contains("method=\"unknown\""), "{text}");
    assert!(!text.contains("Made"), "{text}");
}
