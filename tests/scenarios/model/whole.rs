//! Compares everything that there is with the model.
//! Called by the run at its start, every some steps, and at its end.

use std::collections::BTreeMap;

use kontor_proto::directory::v1::ListPartnersRequest;

use super::client::responses;
use super::run::Run;
use super::world::{COMPANY, Kind, ShelfId};

impl Run {
    pub async fn everything(&mut self) {
        self.compare_homes(Kind::Calendar).await;
        self.compare_homes(Kind::Book).await;
        let all: Vec<ShelfId> = self.world.shelves.keys().cloned().collect();
        for id in &all {
            // Nobody changed it since its last comparison, or the token is another one.
            self.compare_tags(id).await;
            for at in 0..self.clients.len() {
                if self.world.access(self.clients[at].user, id).is_none() {
                    self.look_at_nothing(at, id).await;
                } else {
                    self.compare_contents(at, id).await;
                    self.sync_with(at, id, 0, false, usize::MAX).await;
                }
            }
            self.compare_bytes(id).await;
            self.compare_rows(id).await;
        }
        for at in 0..self.clients.len() {
            self.sync_overview(at, 0).await;
        }
        self.compare_partners().await;
    }

    async fn compare_contents(&self, at: usize, id: &ShelfId) {
        assert_eq!(
            self.clients[at].list(id).await,
            self.contents(id),
            "{id:?} for {}",
            self.clients[at].name
        );
    }

    /// A first sync with all bytes, as a new device does it.
    async fn compare_bytes(&self, id: &ShelfId) {
        let answer = self.owner_of(id).sync(id, "", 0, true).await.expect(207).text();
        let told: BTreeMap<String, String> =
            responses(&answer).into_iter().map(|response| (response.name, response.data)).collect();
        let things = self.world.shelves[id].things.iter();
        let expected: BTreeMap<String, String> = things
            .map(|(name, thing)| (name.clone(), String::from_utf8_lossy(&thing.bytes).into_owned()))
            .collect();
        assert_eq!(told, expected, "{id:?}");
    }

    /// The rows of gRPC are the objects of DAV.
    async fn compare_rows(&self, id: &ShelfId) {
        let rows = self.rows(self.owner_of(id), id).await;
        let told: BTreeMap<String, (String, String)> =
            rows.into_iter().map(|(uid, row)| (uid, (format!("\"{}\"", row.etag), row.title))).collect();
        let rows = self.world.shelves[id]
            .things
            .values()
            .filter(|thing| ["VEVENT", "VCARD"].contains(&thing.component));
        let expected: BTreeMap<String, (String, String)> =
            rows.map(|thing| (thing.uid.clone(), (thing.etag(), thing.summary.clone()))).collect();
        assert_eq!(told, expected, "the rows of {id:?}");
    }

    /// Each card of the company's book is a partner.
    async fn compare_partners(&self) {
        let request = ListPartnersRequest { page_size: 1_000, ..Default::default() };
        let partners =
            self.clients[0].grpc.partners().list_partners(request).await.expect("partners").into_inner();
        let mut told: Vec<String> =
            partners.partners.into_iter().map(|partner| format!("\"{}\"", partner.etag)).collect();
        let book = &self.world.shelves[&(Kind::Book, COMPANY.into(), COMPANY.into())];
        let mut expected: Vec<String> = book.things.values().map(|thing| thing.etag()).collect();
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "the partners");
    }
}
