//! Contacts: the same row in a mail client, on a phone and over gRPC.
//! Rows D3, D11.

use kontor_proto::directory::v1::{
    GetPartnerRequest, ListContactsRequest, LookupPartnersRequest, Partner, UpdatePartnerRequest,
};
use kontor_proto::r#type::v1::Phone;
use kontor_tests::{Grpc, Http, both};
use tonic::Code;

use crate::support::{add_partner, refused, texts};

/// Path of the company book in the home of a user.
async fn company_book(http: &Http, user: &str) -> String {
    let home = http
        .propfind(&format!("/dav/addressbooks/{user}/"), "1", "<D:resourcetype/><D:displayname/>")
        .await
        .expect(207);
    let hrefs = texts(&home.text(), "href");
    hrefs.into_iter().find(|href| href.contains("company")).expect("the company book is in the home")
}

async fn card_of(http: &Http, book: &str, name: &str) -> (String, String) {
    let query = format!(
        "<R:addressbook-query xmlns:D=\"DAV:\" xmlns:R=\"urn:ietf:params:xml:ns:carddav\"><D:prop><D:getetag/></D:prop>\
         <R:filter><R:prop-filter name=\"FN\"><R:text-match match-type=\"equals\">{name}</R:text-match></R:prop-filter></R:filter></R:addressbook-query>"
    );
    let found = http.report(book, "1", query).await.expect(207).text();
    let href = texts(&found, "href").into_iter().next().expect("a card of this name");
    let card = http.get(&href).await.expect(200).text();
    (href, card)
}

async fn phones_of(grpc: &Grpc, name: &str) -> Vec<(String, String)> {
    let partner = grpc
        .partners()
        .get_partner(GetPartnerRequest { name: name.to_owned() })
        .await
        .expect("the partner")
        .into_inner();
    partner.phones.into_iter().map(|phone| (phone.number, phone.e164)).collect()
}

both! {
    async fn d3_a_phone_changed_on_a_card_is_the_partners_phone_at_once_and_unknown_lines_survive(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let partner = add_partner(&grpc, "Anna Peeters", "+32 471 11 22 33", "anna@example.com").await;
        let book = company_book(&http, "sales").await;
        let (href, card) = card_of(&http, &book, "Anna Peeters").await;
        assert!(card.contains("+32 471 11 22 33"), "{card}");

        // A client changes the number and adds lines of its own.
        let odd = "X-ODD;X-P=\"a:b;c\":keep \\, this\\; \r\n as it  is\r\nitem1.X-ABLABEL:_$!<Spouse>!$_\r\n";
        let changed = card.replace("+32 471 11 22 33", "+32 471 44 55 66").replace("END:VCARD", &format!("{odd}END:VCARD"));
        let put = http.put(&href, &[], changed.clone()).await.expect(204);
        assert!(!put.header("etag").is_empty());
        assert_eq!(phones_of(&grpc, &partner.name).await, [("+32 471 44 55 66".to_owned(), "+32471445566".to_owned())]);
        let served = http.get(&href).await.expect(200);
        assert_eq!(served.text(), changed, "the client's bytes are served as they came");
        assert_eq!(served.header("etag"), put.header("etag"));

        // A change over gRPC edits its line only.
        let read = grpc.partners().get_partner(GetPartnerRequest { name: partner.name.clone() }).await.expect("it").into_inner();
        let mut wanted = Partner { name: partner.name.clone(), etag: read.etag.clone(), phones: read.phones.clone(), ..Default::default() };
        wanted.phones[0].number = "+32 471 77 88 99".into();
        let mask = prost_types::FieldMask { paths: vec!["phones".into()] };
        let request = UpdatePartnerRequest { partner: Some(wanted.clone()), update_mask: Some(mask), ..Default::default() };
        let updated = grpc.partners().update_partner(request.clone()).await.expect("changed").into_inner();
        let now = http.get(&href).await.expect(200);
        assert!(now.text().contains(odd), "{}", now.text());
        assert!(now.text().contains("+32 471 77 88 99"));
        assert_eq!(now.header("etag"), format!("\"{}\"", updated.etag));
        let only_phone_and_rev = |text: &str| {
            text.lines().filter(|line| !line.contains("TEL") && !line.starts_with("REV")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(only_phone_and_rev(&now.text()), only_phone_and_rev(&changed));

        // What the client has is old now: its write is refused, and so is gRPC's with the old etag.
        let stale = http.put(&href, &[("if-match", put.header("etag"))], changed).await;
        assert_eq!(stale.status, 412);
        refused(grpc.partners().update_partner(UpdatePartnerRequest { request_id: "x".into(), ..request }).await, Code::Aborted, "changed");
    }

    async fn d3_a_card_made_in_a_client_is_a_partner_and_one_removed_is_gone(sandbox: Sandbox) {
        let (grpc, http) = (sandbox.grpc("sales"), sandbox.http("sales"));
        let book = company_book(&http, "sales").await;
        let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:made-on-a-phone\r\nFN:Bram Claes\r\nN:Claes;Bram;;;\r\nTEL;TYPE=CELL:0471 22 33 44\r\nTEL;TYPE=WORK:02 555 10 20\r\nPHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgo=\r\nEND:VCARD\r\n";
        let href = format!("{book}made-on-a-phone.vcf");
        http.put(&href, &[("if-none-match", "*")], card).await.expect(201);
        let request = LookupPartnersRequest { phone_number: "+32471223344".into(), ..Default::default() };
        let found = grpc.partners().lookup_partners(request.clone()).await.expect("an answer").into_inner().partners;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].display_name, "Bram Claes");
        assert_eq!(found[0].phones.iter().map(|phone: &Phone| phone.e164.as_str()).collect::<Vec<_>>(), ["+32471223344", "+3225551020"]);
        assert_eq!(http.get(&href).await.expect(200).text(), card);

        http.send("DELETE", &href, &[], "").await.expect(204);
        assert!(grpc.partners().lookup_partners(request).await.expect("an answer").into_inner().partners.is_empty());
        refused(grpc.partners().get_partner(GetPartnerRequest { name: found[0].name.clone() }).await, Code::NotFound, "partners/");
        http.get(&href).await.expect(404);
    }

    async fn d11_the_company_book_shows_every_partner_to_every_user(sandbox: Sandbox) {
        add_partner(&sandbox.grpc("sales"), "Noordzee Visserij", "+32 59 70 11 22", "").await;
        for user in ["manager", "neighbour"] {
            let http = sandbox.http(user);
            let book = company_book(&http, user).await;
            let (_, card) = card_of(&http, &book, "Noordzee Visserij").await;
            assert!(card.contains("+32 59 70 11 22"), "{card}");
            let request = ListContactsRequest { parent: "addressBooks/company".into(), ..Default::default() };
            let contacts = sandbox.grpc(user).contacts().list_contacts(request).await.expect("contacts").into_inner().contacts;
            assert_eq!(contacts.len(), 1);
            assert_eq!(contacts[0].phones[0].e164, "+3259701122");
        }
    }
}
