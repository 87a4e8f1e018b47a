//! The change stream of the calendar: from a token on, only what the caller may see (row X2).

use kontor_proto::calendar::v1 as proto;
use kontor_proto::calendar::v1::change_service_client::ChangeServiceClient;
use kontor_proto::r#type::v1::WatchChangesRequest;
use kontor_testbed::user;

use crate::support::{Bed, meeting};

kontor_testbed::on_both! { Bed;
    x2_a_stream_goes_on_from_its_token,
}

async fn x2_a_stream_goes_on_from_its_token(bed: Bed) {
    for number in 0..3 {
        let partners = vec![format!("partners/p{number}")];
        bed.create("sales", proto::Event { partners, ..meeting("m", "2026-11-23") }).await;
    }
    let read = async |token: &str| {
        let request =
            WatchChangesRequest { resume_token: token.to_owned(), until_now: true, ..Default::default() };
        let mut client = ChangeServiceClient::new(bed.link.clone());
        let mut stream = client.watch_changes(user("sales").request(request)).await.unwrap().into_inner();
        let mut seen = Vec::new();
        while let Some(message) = stream.message().await.unwrap() {
            seen.push((message.event.unwrap().partner, message.resume_token));
        }
        seen
    };
    let all = read("0").await;
    let partners: Vec<&str> = all.iter().map(|(partner, _)| partner.as_str()).collect();
    assert_eq!(partners, ["partners/p0", "partners/p1", "partners/p2"]);
    assert_eq!(read(&all[0].1).await, all[1..]);
}
