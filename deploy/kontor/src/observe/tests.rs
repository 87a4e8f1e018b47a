//! Traces leave the process as OTLP over HTTP, all of them by the stop, and only Kontor's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;

use super::*;

/// Takes one request as a collector does, and gives its first line and its body.
fn collector() -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).expect("a request line");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a header");
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("the body");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("an answer");
        sender.send((first.trim().to_owned(), body)).expect("the test waits");
    });
    (address, receiver)
}

#[test]
fn spans_reach_the_collector_by_the_stop() {
    let (address, requests) = collector();
    let layer = traces(&address).expect("a good endpoint");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let _own =
            tracing::info_span!(target: "kontor_gateway::edge", "request", user.name = "anna").entered();
        let _foreign = tracing::info_span!(target: "hyper::proto", "poll").entered();
    });
    stop();
    let (first, body) = requests.recv_timeout(Duration::from_secs(10)).expect("a request");
    assert_eq!(first, "POST /v1/traces HTTP/1.1");
    let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("OTLP");
    let all = &request.resource_spans[0];
    let resource = all.resource.as_ref().expect("a resource");
    let name = resource.attributes.iter().find(|pair| pair.key == "service.name").expect("a service name");
    let name = name.value.as_ref().and_then(|value| value.value.clone());
    assert_eq!(name, Some(Value::StringValue("kontor".to_owned())));
    let spans: Vec<_> = all.scope_spans.iter().flat_map(|scope| &scope.spans).collect();
    assert_eq!(spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["request"]);
    assert!(spans[0].attributes.iter().any(|pair| pair.key == "user.name"));
}

#[test]
fn without_an_endpoint_there_is_no_layer() {
    assert!(traces::<tracing_subscriber::Registry>("").expect("fine").is_none());
}

#[test]
fn a_bad_endpoint_is_refused_by_name() {
    for endpoint in ["https://collector.example", "127.0.0.1:4318", "http://", "http://a b"] {
        let cause = exporter(endpoint).expect_err(endpoint);
        assert!(cause.message().starts_with("trace.endpoint"), "{cause}");
    }
}
