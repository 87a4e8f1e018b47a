//! Address books that users share with each other and with teams.
//! Row D8.

use kontor_proto::directory::v1::{
    AddressBook, AddressBookShare, Contact, CreateContactRequest, ListAddressBookSharesRequest,
    ListAddressBooksRequest, ListContactsRequest, ShareAddressBookRequest, Team, UnshareAddressBookRequest,
    UpdateTeamRequest,
};
use kontor_tests::{Grpc, Http, Sandbox, both};
use tonic::Code;

use crate::support::{refused, texts};

async fn books(grpc: &Grpc) -> Vec<AddressBook> {
    let found = grpc.contacts().list_address_books(ListAddressBooksRequest::default()).await;
    found.expect("address books").into_inner().address_books
}

/// Name of the user's own book.
async fn own(sandbox: &Sandbox, user: &str) -> String {
    let owner = format!("users/{user}");
    let all = books(&sandbox.grpc(user)).await;
    all.into_iter().find(|book| book.owner == owner).expect("a book of one's own").name
}

async fn share(sandbox: &Sandbox, grantee: &str, writable: bool) -> AddressBookShare {
    let request = ShareAddressBookRequest {
        name: own(sandbox, "sales").await,
        grantee: grantee.into(),
        writable,
        ..Default::default()
    };
    let share = sandbox.grpc("sales").contacts().share_address_book(request).await;
    share.expect("a share").into_inner()
}

async fn unshare(sandbox: &Sandbox, grantee: &str) {
    let name = own(sandbox, "sales").await;
    let request = UnshareAddressBookRequest { name, grantee: grantee.into(), ..Default::default() };
    sandbox.grpc("sales").contacts().unshare_address_book(request).await.expect("no share");
}

/// The books in a home that are shared with its user.
async fn shared(http: &Http, user: &str) -> Vec<String> {
    let home = format!("/dav/addressbooks/{user}/");
    let answer = http.propfind(&home, "1", "<D:resourcetype/>").await.expect(207).text();
    let all = answer.split("<D:response>").filter(|response| response.contains("<CS:shared/>"));
    all.flat_map(|response| texts(response, "href").into_iter().take(1)).collect()
}

fn card(uid: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{uid}\r\nN:{uid};;;;\r\nEND:VCARD\r\n")
}

const OWN: &str = "/dav/addressbooks/sales/contacts/";
const SHARED: &str = "/dav/addressbooks/neighbour/sales~contacts/";

both! {
    async fn d8_a_book_is_shared_for_reading_then_for_writing_and_taken_back(sandbox: Sandbox) {
        let (sales, neighbour) = (sandbox.http("sales"), sandbox.http("neighbour"));
        sales.put(&format!("{OWN}one.vcf"), &[], card("one")).await.expect(201);
        // A stranger sees nothing of it.
        neighbour.propfind(SHARED, "0", "<D:resourcetype/>").await.expect(404);
        neighbour.get(&format!("{OWN}one.vcf")).await.expect(404);
        assert!(shared(&neighbour, "neighbour").await.is_empty());
        let made = share(&sandbox, "users/neighbour", false).await;
        assert_eq!(made, AddressBookShare { grantee: "users/neighbour".into(), writable: false });
        assert_eq!(shared(&neighbour, "neighbour").await, [SHARED]);
        assert!(shared(&sandbox.http("colleague"), "colleague").await.is_empty());
        let seen = neighbour.propfind(SHARED, "0", "<D:current-user-privilege-set/><D:owner/>").await.expect(207).text();
        assert!(seen.contains("<D:read/>") && !seen.contains("write"), "{seen}");
        assert!(seen.contains("/dav/principals/users/sales/"), "{seen}");
        assert_eq!(neighbour.get(&format!("{SHARED}one.vcf")).await.expect(200).text(), card("one"));
        let put = neighbour.put(&format!("{SHARED}two.vcf"), &[], card("two")).await.expect(403);
        assert!(put.text().contains("need-privileges"), "{}", put.text());
        neighbour.send("DELETE", &format!("{SHARED}one.vcf"), &[], "").await.expect(403);
        // Over gRPC it is the same book, and just as closed.
        let grpc = sandbox.grpc("neighbour");
        let book = books(&grpc).await.into_iter().find(|book| book.owner == "users/sales").expect("the shared book");
        assert!(!book.writable && !book.company);
        let contact = Contact { display_name: "Three".into(), ..Default::default() };
        let create = CreateContactRequest { parent: book.name.clone(), contact: Some(contact), ..Default::default() };
        refused(grpc.contacts().create_contact(create.clone()).await, Code::PermissionDenied, "");
        // For writing: the same row, whoever writes it.
        share(&sandbox, "users/neighbour", true).await;
        neighbour.put(&format!("{SHARED}two.vcf"), &[], card("two")).await.expect(201);
        assert_eq!(sales.get(&format!("{OWN}two.vcf")).await.expect(200).text(), card("two"));
        grpc.contacts().create_contact(create).await.expect("a contact");
        let list = ListContactsRequest { parent: book.name.clone(), ..Default::default() };
        assert_eq!(grpc.contacts().list_contacts(list.clone()).await.expect("contacts").into_inner().contacts.len(), 3);
        // Taken back, from the next request on.
        unshare(&sandbox, "users/neighbour").await;
        neighbour.get(&format!("{SHARED}one.vcf")).await.expect(404);
        refused(grpc.contacts().list_contacts(list).await, Code::NotFound, "");
        assert!(shared(&neighbour, "neighbour").await.is_empty());
    }

    async fn d8_who_leaves_a_team_loses_its_books_and_who_leaves_a_share_takes_none_away(sandbox: Sandbox) {
        let neighbour = sandbox.http("neighbour");
        sandbox.http("sales").put(&format!("{OWN}one.vcf"), &[], card("one")).await.expect(201);
        share(&sandbox, "teams/support", true).await;
        assert_eq!(shared(&neighbour, "neighbour").await, [SHARED]);
        neighbour.put(&format!("{SHARED}two.vcf"), &[], card("two")).await.expect(201);
        // One member alone can't leave out what the team has.
        neighbour.send("DELETE", SHARED, &[], "").await.expect(403);
        let team = Team { name: "teams/support".into(), members: vec!["users/colleague".into()], ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["members".into()] });
        let request = UpdateTeamRequest { team: Some(team), update_mask, ..Default::default() };
        sandbox.grpc("admin").teams().update_team(request).await.expect("another member");
        assert!(shared(&neighbour, "neighbour").await.is_empty());
        neighbour.get(&format!("{SHARED}one.vcf")).await.expect(404);
        neighbour.put(&format!("{SHARED}three.vcf"), &[], card("three")).await.expect(409);
        let colleague = sandbox.http("colleague");
        assert_eq!(shared(&colleague, "colleague").await, ["/dav/addressbooks/colleague/sales~contacts/"]);
        // What is shared with a user alone, the user may leave; the owner keeps it.
        share(&sandbox, "users/neighbour", false).await;
        neighbour.send("DELETE", SHARED, &[], "").await.expect(204);
        assert!(shared(&neighbour, "neighbour").await.is_empty());
        sandbox.http("sales").get(&format!("{OWN}two.vcf")).await.expect(200);
    }

    async fn d8_only_the_owner_shares_a_book_and_the_companys_is_everyones(sandbox: Sandbox) {
        let sales = sandbox.grpc("sales");
        let name = own(&sandbox, "sales").await;
        let request = ShareAddressBookRequest { name: name.clone(), grantee: "users/neighbour".into(), writable: true, ..Default::default() };
        refused(Grpc::stranger(&sandbox.address()).contacts().share_address_book(request.clone()).await, Code::Unauthenticated, "");
        refused(sandbox.grpc("neighbour").contacts().share_address_book(request.clone()).await, Code::NotFound, "");
        sales.contacts().share_address_book(request.clone()).await.expect("a share");
        let on = ShareAddressBookRequest { grantee: "users/colleague".into(), ..request.clone() };
        refused(sandbox.grpc("neighbour").contacts().share_address_book(on).await, Code::PermissionDenied, "");
        let list = ListAddressBookSharesRequest { name: name.clone() };
        refused(sandbox.grpc("neighbour").contacts().list_address_book_shares(list.clone()).await, Code::PermissionDenied, "");
        refused(sandbox.grpc("colleague").contacts().list_address_book_shares(list.clone()).await, Code::NotFound, "");
        let shares = sales.contacts().list_address_book_shares(list).await.expect("shares").into_inner().shares;
        assert_eq!(shares, [AddressBookShare { grantee: "users/neighbour".into(), writable: true }]);
        for (grantee, code) in [
            ("users/nobody", Code::NotFound),
            ("teams/nobody", Code::NotFound),
            ("users/sales", Code::FailedPrecondition),
            ("everyone", Code::InvalidArgument),
        ] {
            let wrong = ShareAddressBookRequest { grantee: grantee.into(), ..request.clone() };
            refused(sales.contacts().share_address_book(wrong).await, code, "");
        }
        let gone = UnshareAddressBookRequest { name, grantee: "users/colleague".into(), ..Default::default() };
        refused(sales.contacts().unshare_address_book(gone).await, Code::NotFound, "");
        let company = ShareAddressBookRequest { name: "addressBooks/company".into(), ..request };
        refused(sales.contacts().share_address_book(company.clone()).await, Code::PermissionDenied, "");
        refused(sandbox.grpc("admin").contacts().share_address_book(company).await, Code::FailedPrecondition, "");
    }
}
