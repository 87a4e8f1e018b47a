//! Figures over gRPC.

use kontor_proto::directory::v1::{CreatePartnerRequest, GetContactRequest, ListContactsRequest, Partner};
use kontor_proto::pipeline::v1::{CreateLeadRequest, Lead};
use kontor_tests::{Grpc, Process};

use crate::floor::Floors;
use crate::{Figures, measure};

/// Single reads and writes.
pub async fn figures(process: &Process, grpc: &Grpc, floors: &Floors, figures: &mut Figures) {
    let book = ListContactsRequest { parent: "addressBooks/company".into(), ..Default::default() };
    let partner = Partner { display_name: "One".into(), ..Default::default() };
    let request = CreatePartnerRequest { partner: Some(partner), ..Default::default() };
    grpc.partners().create_partner(request).await.expect("a partner");
    let name =
        grpc.contacts().list_contacts(book).await.expect("contacts").into_inner().contacts[0].name.clone();
    for (what, at_once, times) in [("GetContact, 1 caller", 1, 1_000), ("GetContact, 16 callers", 16, 5_000)]
    {
        let get = measure(process, times, at_once, |_| async {
            grpc.contacts().get_contact(GetContactRequest { name: name.clone() }).await.expect("it");
        });
        figures.add(what, get.await, floors.call());
    }
    for (what, at_once, times) in [("CreateLead, 1 caller", 1, 500), ("CreateLead, 16 callers", 16, 5_000)] {
        let create = measure(process, times, at_once, |number| async move {
            let lead =
                Lead { title: format!("Lead {number}"), email: "x@example.com".into(), ..Default::default() };
            grpc.leads()
                .create_lead(CreateLeadRequest { lead: Some(lead), ..Default::default() })
                .await
                .expect("made");
        });
        figures.add(what, create.await, floors.row());
    }
}
