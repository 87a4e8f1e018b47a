//! Many partners in one call, as letters, messages and mailings need them.
//! Called by rpc/partner.rs.

use std::collections::{HashMap, HashSet};

use kontor_kit::db::Conn;
use kontor_kit::{Error, Result, id};
use kontor_proto::directory::v1 as proto;
use kontor_vobject::card::Card;
use kontor_vobject::{Document, Limits};

use super::partner::{Partners, shown};
use crate::store;

/// Names in one request.
const NAMES: usize = 1_000;

impl Partners {
    pub(super) async fn batch(
        &self,
        request: proto::BatchGetPartnersRequest,
    ) -> Result<proto::BatchGetPartnersResponse> {
        if request.names.is_empty() || request.names.len() > NAMES {
            return Err(Error::invalid("names", format!("name 1 to {NAMES} partners")));
        }
        let mut ids = Vec::with_capacity(request.names.len());
        for (place, name) in request.names.iter().enumerate() {
            ids.push(id::parse("partners", name, &format!("names[{place}]"))?.to_owned());
        }
        let with_cards = request.card_details;
        let results = self.db.read(move |conn| results(conn, &ids, with_cards)).await?;
        Ok(proto::BatchGetPartnersResponse { results })
    }
}

fn results(conn: &mut Conn<'_>, ids: &[String], with_cards: bool) -> Result<Vec<proto::PartnerFound>> {
    let rows = store::partner::many(conn, ids)?;
    // Two names may lead to the same partner.
    let mut seen = HashSet::new();
    let found: Vec<_> = rows.iter().flatten().filter(|row| seen.insert(&row.id)).cloned().collect();
    let of: Vec<String> = found.iter().map(|row| row.id.clone()).collect();
    let cards = if with_cards { details(conn, &of)? } else { HashMap::new() };
    let partners = shown(conn, found)?;
    let partners: HashMap<&String, proto::Partner> = of.iter().zip(partners).collect();
    let result = |(id, row): (&String, &Option<store::card::Stored>)| {
        let name = format!("partners/{id}");
        let Some(row) = row else { return proto::PartnerFound { name, ..Default::default() } };
        let partner = partners.get(&row.id).cloned();
        proto::PartnerFound { name, partner, ..cards.get(&row.id).cloned().unwrap_or_default() }
    };
    Ok(ids.iter().zip(&rows).map(result).collect())
}

/// What only the cards say. What is damaged in a card is not there.
fn details(conn: &mut Conn<'_>, ids: &[String]) -> Result<HashMap<String, proto::PartnerFound>> {
    let mut all = HashMap::with_capacity(ids.len());
    store::partner::cards(conn, ids, |id, data| {
        let Ok(document) = Document::parse(data, &Limits::default()) else { return };
        let root = document.root();
        let text = |name: &str| root.text(name).map(|it| it.trim().to_owned()).unwrap_or_default();
        let name = Card::read_component(&root).ok().and_then(|card| card.name).unwrap_or_default();
        let gender = match text("GENDER").chars().next() {
            Some('F' | 'f') => "f",
            Some('M' | 'm') => "m",
            _ => "",
        };
        let found = proto::PartnerFound {
            language: text("LANG"),
            gender: gender.to_owned(),
            honorific_prefixes: name.prefixes,
            ..Default::default()
        };
        all.insert(id, found);
    })?;
    Ok(all)
}
