//! `GET /telephony/pops`: call pops as server-sent events, for web pages (WHATWG HTML, section 9.2). Each event is one `CallPop` as JSON.
//! Called by `Gateway::answer` for whoever has signed in.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_proto::telephony::v1::call_service_client::CallServiceClient;
use kontor_proto::telephony::v1::{Call, CallDirection, CallPop, CallState, Party, WatchCallPopsRequest};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior};
use tonic::{Code, Status, Streaming};

use super::lease::{AGAIN, Lease};
use super::plain;

/// Where they are.
pub(super) const PATH: &str = "/telephony/pops";
/// Pause before a client connects again, in milliseconds.
const RETRY: u32 = 3_000;

pub(super) async fn answer(
    link: Link,
    caller: &Caller,
    request: Request<Body>,
    lease: Lease,
) -> Response<Body> {
    if request.method() != Method::GET {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    let user = match user_of(request.uri().query().unwrap_or_default()) {
        Some(user) => user,
        None => {
            return plain(StatusCode::BAD_REQUEST, "user: give the name of a user, as in ?user=users/anna\n");
        }
    };
    // A pop is only good while it rings, so `Last-Event-ID` brings nothing back.
    let message = WatchCallPopsRequest { user };
    let pops = match CallServiceClient::new(link).watch_call_pops(caller.request(message)).await {
        Ok(pops) => pops.into_inner(),
        Err(status) => return refuse(&status),
    };
    let mut response = Response::new(Body::from_stream(events(pops, lease)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // nginx would keep small events back
    headers.insert(header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Nothing is made before the connection takes what was made: pops of a client that does not read wait in telephony, sixteen of them at most.
fn events(
    pops: Streaming<CallPop>,
    lease: Lease,
) -> impl stream::Stream<Item = Result<Bytes, std::io::Error>> {
    let begin = format!(": call pops\nretry: {RETRY}\n\n");
    // One clock for the whole stream: who is called every second is asked too. The comment keeps proxies from closing it.
    let mut clock = tokio::time::interval_at(Instant::now() + AGAIN, AGAIN);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold((Some(begin), Some(pops), clock, lease), |(begin, pops, mut clock, lease)| async move {
        let mut pops = pops?;
        if let Some(begin) = begin {
            return Some((Ok(begin.into()), (None, Some(pops), clock, lease)));
        }
        tokio::select! {
            biased;
            _ = clock.tick() => {
                let reason = match lease.clone().end().await.map(|status| status.code()) {
                    None => return Some((Ok(":\n\n".into()), (None, Some(pops), clock, lease))),
                    Some(Code::Unauthenticated) => "the sign-in has ended",
                    Some(Code::Aborted) => "you may no longer see all that this stream began with",
                    Some(_) => "too many wrong sign-ins come from this address",
                };
                let end = format!("event: end\ndata: {{\"reason\": \"{reason}\"}}\n\n");
                Some((Ok(end.into()), (None, None, clock, lease)))
            }
            pop = pops.message() => match pop {
                Ok(Some(pop)) => Some((Ok(event(&pop).into()), (None, Some(pops), clock, lease))),
                // the process stops, or telephony is away: the client connects again
                Ok(None) | Err(_) => None,
            },
        }
    })
}

fn event(pop: &CallPop) -> String {
    let id = pop.call.as_ref().map(|call| call.name.clone()).unwrap_or_default();
    // JSON text has no line breaks of its own
    format!("id: {id}\nevent: pop\ndata: {}\n\n", shown(pop))
}

/// The pop as JSON, as `/telephony/openapi.json` describes it.
fn shown(pop: &CallPop) -> Value {
    let opportunities = pop.open_opportunities.iter();
    let opportunities =
        opportunities.map(|it| json!({"name": it.name, "title": it.title, "stage": it.stage}));
    json!({
        "call": pop.call.as_ref().map(call),
        "partner_display_name": pop.partner_display_name,
        "last_contacts": pop.last_contacts,
        "open_opportunities": opportunities.collect::<Vec<_>>(),
    })
}

fn call(call: &Call) -> Value {
    let start = call
        .start_time
        .as_ref()
        .and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok().map(|time| time.to_string()));
    json!({
        "name": call.name,
        "connector": call.connector,
        "external_id": call.external_id,
        "direction": match call.direction() {
            CallDirection::Unspecified => "",
            CallDirection::Inbound => "INBOUND",
            CallDirection::Outbound => "OUTBOUND",
            CallDirection::Internal => "INTERNAL",
        },
        "state": match call.state() {
            CallState::Unspecified => "",
            CallState::Ringing => "RINGING",
            CallState::Answered => "ANSWERED",
            CallState::Ended => "ENDED",
        },
        "caller": call.caller.as_ref().map(party),
        "callee": call.callee.as_ref().map(party),
        "partner": call.partner,
        "partner_candidates": call.partner_candidates,
        "opportunity": call.opportunity,
        "user": call.user,
        "queue": call.queue,
        "start_time": start,
    })
}

fn party(party: &Party) -> Value {
    json!({"number": party.number, "e164": party.e164, "display_name": party.display_name})
}

/// Whose telephone to watch; empty for the caller's own.
fn user_of(query: &str) -> Option<String> {
    let mut user = String::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name == "user" && value.len() <= 300 {
            user = percent_encoding::percent_decode_str(value).decode_utf8().ok()?.into_owned();
        }
    }
    Some(user)
}

fn refuse(status: &Status) -> Response<Body> {
    let code = match status.code() {
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    plain(code, format!("{}\n", status.message()))
}

#[cfg(test)]
mod tests {
    use kontor_proto::telephony::v1::OpportunityBrief;

    use super::*;

    #[test]
    fn an_event_is_one_line_of_json_whatever_is_in_it() {
        let call = Call { name: "calls/1".to_owned(), ..Default::default() };
        let pop = CallPop {
            call: Some(call),
            partner_display_name: "Anna\n\ndata: x\r\u{2028}".to_owned(),
            ..Default::default()
        };
        let text = event(&pop);
        assert!(text.starts_with("id: calls/1\nevent: pop\ndata: {") && text.ends_with("}\n\n"), "{text}");
        assert_eq!(text.matches(['\n', '\r']).count(), 4, "{text}");
        let json: Value =
            serde_json::from_str(text.split_once("\ndata: ").expect("data").1.trim()).expect("JSON");
        assert_eq!(json["partner_display_name"], "Anna\n\ndata: x\r\u{2028}");
    }

    #[test]
    fn what_is_sent_is_what_the_document_says() {
        let document: Value =
            serde_json::from_str(include_str!("../../openapi/telephony.json")).expect("JSON");
        let schema = |name: &str| document["components"]["schemas"][name].clone();
        let call = Call { caller: Some(Party::default()), ..Default::default() };
        let opportunity = OpportunityBrief::default();
        let pop = CallPop { call: Some(call), open_opportunities: vec![opportunity], ..Default::default() };
        let shown = shown(&pop);
        let pairs = [
            ("CallPop", &shown),
            ("Call", &shown["call"]),
            ("Party", &shown["call"]["caller"]),
            ("Opportunity", &shown["open_opportunities"][0]),
        ];
        for (name, value) in pairs {
            let schema = schema(name);
            let names = |value: &Value| {
                let mut names: Vec<_> = value.as_object().expect("an object").keys().cloned().collect();
                names.sort();
                names
            };
            assert_eq!(names(value), names(&schema["properties"]), "{name}");
            let required = schema["required"].as_array().expect("a list").iter();
            let mut required: Vec<&str> = required.filter_map(Value::as_str).collect();
            required.sort_unstable();
            assert_eq!(json!(required), json!(names(value)), "{name}");
        }
        assert!(document["paths"][PATH]["get"].is_object());
    }

    #[test]
    fn the_user_comes_from_the_query() {
        assert_eq!(user_of(""), Some(String::new()));
        assert_eq!(user_of("x=1&user=users%2Fanna"), Some("users/anna".to_owned()));
        assert_eq!(user_of("user=%ff"), None);
    }
}
