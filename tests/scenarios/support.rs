//! Small makers and checks that several scenarios share.
//! Called by the other files of this folder.

use kontor_proto::directory::v1::{CreatePartnerRequest, Partner};
use kontor_proto::pipeline::v1::{CreateOpportunityRequest, Opportunity};
use kontor_proto::r#type::v1::{Email, Phone};
use kontor_tests::Grpc;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A partner with a number and an address.
pub async fn add_partner(grpc: &Grpc, name: &str, phone: &str, email: &str) -> Partner {
    let phones = if phone.is_empty() {
        vec![]
    } else {
        vec![Phone { number: phone.into(), types: vec!["cell".into()], ..Default::default() }]
    };
    let emails = if email.is_empty() {
        vec![]
    } else {
        vec![Email { address: email.into(), types: vec!["work".into()] }]
    };
    let partner = Partner { display_name: name.into(), phones, emails, ..Default::default() };
    let request = CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    grpc.partners().create_partner(request).await.expect("a new partner").into_inner()
}

/// An opportunity of the calling user.
pub async fn add_opportunity(grpc: &Grpc, title: &str, partner: &str, assignee: &str) -> Opportunity {
    let opportunity = Opportunity {
        title: title.into(),
        partner: partner.into(),
        assignee: assignee.into(),
        ..Default::default()
    };
    let request = CreateOpportunityRequest { opportunity: Some(opportunity), ..Default::default() };
    grpc.opportunities().create_opportunity(request).await.expect("a new opportunity").into_inner()
}

/// The error of an answer that must fail with this code; its sentence names `part`.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, part: &str) -> Status {
    let status = answer.expect_err("it must be refused");
    assert_eq!(status.code(), code, "{status:?}");
    assert!(status.message().contains(part), "{:?} does not name {part:?}", status.message());
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.domain, "kontor");
    assert!(!info.reason.is_empty());
    status
}

/// Waits until `look` finds something, for at most ten seconds: for what follows by events.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for () in kontor_testbed::patience() {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{what} did not happen");
}

/// The texts between every `<open>` and `</close>` of an XML answer whose element has this local name.
pub fn texts(xml: &str, element: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find(element) {
        let before = &rest[..at];
        let after = &rest[at + element.len()..];
        let opens = before.ends_with(':') || before.ends_with('<');
        let is_close = before.rfind('<').is_some_and(|open| before[open..].starts_with("</"));
        if opens && !is_close && after.starts_with(['>', ' ']) {
            let start = after.find('>').map_or(after.len(), |end| end + 1);
            let end = after[start..].find("</").map_or(after.len(), |end| start + end);
            found.push(after[start..end].to_owned());
        }
        rest = after;
    }
    found
}
