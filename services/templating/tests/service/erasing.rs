//! A partner that is erased has no letters any more, and a joined file that it is in is gone.

use std::time::Duration;

use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::erasure_service_client::ErasureServiceClient;
use kontor_proto::templating::v1 as proto;
use kontor_testbed::{admin, failure};
use tonic::Code;

use crate::letters::anna;
use crate::support::{docx, p};
use crate::world::World;

kontor_testbed::on_both! { World; h3_letters_to_an_erased_partner_are_gone }

async fn h3_letters_to_an_erased_partner_are_gone(world: World) {
    let anna = anna(&world).await;
    let bob = world.add_partner("Bob Small", "").await;
    world.add_template("a", docx(&p("{{ partner.name }}")), &[]).await;
    let request = proto::CreateMergeRequest {
        template: "templates/a".to_owned(),
        partners: vec![anna.clone(), bob],
        ..Default::default()
    };
    let single = world.merge(request.clone()).await;
    let output = proto::MergeOutput::Joined.into();
    let joined = world.merge(proto::CreateMergeRequest { output, ..request }).await;
    world.download(&joined.name).await.unwrap();
    let request = directory::ErasePartnerRequest {
        name: anna,
        reason: directory::ErasureReason::Requested.into(),
        ..Default::default()
    };
    let mut client = ErasureServiceClient::new(world.directory.clone());
    let erasure = client.erase_partner(admin().request(request)).await.unwrap().into_inner();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let report = loop {
        let request = directory::GetErasureRequest { name: erasure.name.clone() };
        let report = client.get_erasure(admin().request(request)).await.unwrap().into_inner();
        if report.state() == directory::ErasureState::Done {
            break report;
        }
        assert!(tokio::time::Instant::now() < deadline, "{report:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(format!("{report:?}").contains("templating"), "{report:?}");
    let letters = world.letters(&single.name).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].filename, "00002 Bob Small.docx");
    let refused = world.download(&joined.name).await.map(|_| ());
    assert_eq!(failure(refused), (Code::FailedPrecondition, "ERASED".to_owned()));
}
