//! T2: the OpenAPI document of the signed JSON webhook says what the server does: its examples are taken, and what it rules out is refused.
//! The gateway serves the document; the pops in it are checked there.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tonic::Code;

use crate::world::{SECRET, World, refusal, sign};

kontor_testbed::on_both! { World;
    t2_the_examples_of_the_openapi_document_are_taken,
    t2_what_the_openapi_document_rules_out_is_refused_by_the_field_s_name,
}

fn document() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../gateway/openapi/telephony.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn post_of(document: &Value) -> Value {
    document["paths"]["/telephony/{connector}/events"]["post"].clone()
}

async fn t2_the_examples_of_the_openapi_document_are_taken(world: World) {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let post = post_of(&document);
    let examples =
        post["requestBody"]["content"]["application/json"]["examples"].as_object().unwrap().clone();
    assert!(examples.len() >= 6);
    for (name, example) in &examples {
        let taken = world.post(&example["value"].to_string()).await;
        assert_eq!(taken.unwrap_or_else(|cause| panic!("{name}: {cause:?}")).calls.len(), 1, "{name}");
    }
    // together they are two calls
    assert_eq!(world.list("").await.len(), 2);
    let headers = document["components"]["securitySchemes"].clone();
    for name in ["timestamp", "signature"] {
        let header = headers[name]["name"].as_str().unwrap().to_lowercase();
        let body = examples["ringing"]["value"].to_string();
        let timestamp = (world.now() / 1_000_000).to_string();
        let mut sent = BTreeMap::from([
            ("x-kontor-timestamp".to_owned(), timestamp.clone()),
            ("x-kontor-signature".to_owned(), sign(SECRET, &timestamp, &body)),
        ]);
        assert!(sent.remove(&header).is_some(), "{header}");
        let (code, words) = refusal(world.post_with("cloud", sent, &body).await);
        assert_eq!(code, Code::Unauthenticated);
        assert!(words.contains(&header), "{words}");
    }
}

/// A good event of a kind, with all that it needs.
fn good(kind: &str) -> Map<String, Value> {
    let event =
        json!({"call_id": "x", "kind": kind, "event_time": "2026-11-23T09:00:00Z", "transfer_to": "102"});
    event.as_object().unwrap().clone()
}

async fn t2_what_the_openapi_document_rules_out_is_refused_by_the_field_s_name(world: World) {
    let document = document();
    let schema = document["components"]["schemas"]["CallEvent"].clone();
    let refused = async |event: &Map<String, Value>, field: &str| {
        let (code, words) = refusal(world.post(&Value::Object(event.clone()).to_string()).await);
        assert_eq!(code, Code::InvalidArgument, "{event:?}");
        assert!(words.starts_with(&format!("{field}: ")), "{field}: {words}");
    };
    for field in schema["required"].as_array().unwrap() {
        let field = field.as_str().unwrap();
        let mut event = good("RINGING");
        event.remove(field);
        refused(&event, field).await;
    }
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(properties.len(), 11);
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["patternProperties"]["^x[-_]"].is_object());
    for (field, rules) in properties {
        let with = |value: Value| {
            let mut event = good("TRANSFERRED");
            event.insert(field.clone(), value);
            event
        };
        // it is a field that the server reads, and it is a text
        refused(&with(json!({})), field).await;
        for value in rules["enum"].as_array().into_iter().flatten() {
            let taken = world.post(&Value::Object(with(value.clone())).to_string()).await;
            assert!(taken.is_ok(), "{field} = {value}: {taken:?}");
        }
        if rules["enum"].is_array() {
            refused(&with(json!("SOMETHING")), field).await;
        }
        if let Some(longest) = rules["maxLength"].as_u64() {
            let text = |length: u64| json!("1".repeat(usize::try_from(length).unwrap()));
            let taken = world.post(&Value::Object(with(text(longest))).to_string()).await;
            assert!(taken.is_ok(), "{field}: {taken:?}");
            refused(&with(text(longest + 1)), field).await;
        }
    }
    let most =
        document["components"]["schemas"]["CallEvents"]["properties"]["events"]["maxItems"].as_u64().unwrap();
    let many = |count: u64| {
        json!({"events": vec![Value::Object(good("RINGING")); usize::try_from(count).unwrap()]}).to_string()
    };
    world.post(&many(most)).await.unwrap();
    let (_, words) = refusal(world.post(&many(most + 1)).await);
    assert!(words.starts_with("events: "), "{words}");
}
