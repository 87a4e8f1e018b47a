//! Managed attachments inside the service: how much is kept, and that nothing is left behind.

use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::attachment_service_client::AttachmentServiceClient;
use kontor_proto::collection::v1 as store;
use kontor_testbed::user;
use tonic::Code;

use crate::support::Bed;

kontor_testbed::on_both! { Bed;
    the_calendars_of_one_owner_hold_so_much_and_room_comes_back,
}

const EVENT: &str = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\nBEGIN:VEVENT\nUID:one\nDTSTAMP:20261101T080000Z\n\
                     DTSTART:20261130T090000Z\nDTEND:20261130T100000Z\nSUMMARY:one\nEND:VEVENT\nEND:VCALENDAR\n";

fn place(login: &str) -> Option<proto::AttachmentPlace> {
    let path = Some(store::CollectionPath { owner: login.into(), slug: "work".into() });
    Some(proto::AttachmentPlace { path, name: "one.ics".into(), conditions: None })
}

fn file(bytes: usize) -> Option<proto::NewAttachment> {
    let base_uri = "https://kontor.test".to_owned();
    Some(proto::NewAttachment { data: vec![b'x'; bytes].into(), base_uri, ..Default::default() })
}

async fn the_calendars_of_one_owner_hold_so_much_and_room_comes_back(bed: Bed) {
    let mut client = AttachmentServiceClient::new(bed.link.clone());
    bed.put("sales", "one.ics", EVENT).await.unwrap();
    bed.put("manager", "one.ics", EVENT).await.unwrap();
    let add = |login: &str, bytes| {
        user(login).request(proto::AddAttachmentRequest {
            place: place(login),
            attachment: file(bytes),
            ..Default::default()
        })
    };
    let first = client.add_attachment(add("sales", 3_000)).await.unwrap().into_inner();
    let before = bed.get("sales", "one.ics").await.unwrap();
    let refused = client.add_attachment(add("sales", 1_001)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(kontor_kit::error::reason(&refused).unwrap().0, "QUOTA");
    // Nothing is half written, and others have room of their own.
    assert_eq!(bed.get("sales", "one.ics").await.unwrap(), before);
    client.add_attachment(add("manager", 4_000)).await.unwrap();
    // What is replaced makes room for its successor.
    let managed_id = first.attachment.unwrap().name.rsplit('/').next().unwrap().to_owned();
    let update = |bytes, managed_id: &str| {
        user("sales").request(proto::UpdateAttachmentRequest {
            place: place("sales"),
            managed_id: managed_id.to_owned(),
            attachment: file(bytes),
            ..Default::default()
        })
    };
    client.update_attachment(update(4_001, &managed_id)).await.unwrap_err();
    client.update_attachment(update(4_000, &managed_id)).await.unwrap();
    client.add_attachment(add("sales", 1)).await.unwrap_err();
    // A PUT without the line, too.
    bed.put("sales", "one.ics", EVENT).await.unwrap();
    client.add_attachment(add("sales", 4_000)).await.unwrap();
}
