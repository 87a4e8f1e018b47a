//! PartnerService: protobuf to domain and back. The history of partners stands in timeline.rs.
//! Called by the gateway, by other programs and by the other services.

use kontor_kit::auth::Caller;
use kontor_kit::db::{Conn, Db};
use kontor_kit::mask::Mask;
use kontor_kit::page::Query;
use kontor_kit::{Error, clock, id, phone, replay};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::partner_service_server::PartnerService;
use tonic::{Request, Response, Status};

use super::contact::{set, taken};
use super::timeline::{RebuildStream, Timelines};
use crate::domain::contact::{Fields, Kind};
use crate::domain::partner;
use crate::store;
use crate::store::card::{Cards, Stored, company_book};
use crate::store::contact::Wanted;

type Answer<T> = Result<Response<T>, Status>;

/// The service.
pub struct Partners {
    pub(super) db: Db,
    pub(super) cards: Cards,
    pub(super) timelines: Timelines,
}

/// Fields that UpdatePartner takes.
const FIELDS: [&str; 11] = [
    "kind",
    "display_name",
    "given_name",
    "family_name",
    "organization",
    "title",
    "phones",
    "emails",
    "addresses",
    "note",
    "company",
];

#[tonic::async_trait]
impl PartnerService for Partners {
    type RebuildTimelinesStream = RebuildStream;

    async fn list_partners(
        &self,
        request: Request<proto::ListPartnersRequest>,
    ) -> Answer<proto::ListPartnersResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListPartnersRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let read = self.db.read_list(query.kind(&caller), move |conn| {
            let page = store::partner::list(conn, &caller, &query)?;
            Ok(proto::ListPartnersResponse {
                partners: shown(conn, page.rows)?,
                next_page_token: page.next_page_token,
            })
        });
        Ok(Response::new(read.await?))
    }

    async fn get_partner(&self, request: Request<proto::GetPartnerRequest>) -> Answer<proto::Partner> {
        Caller::of(&request)?;
        let id = id::parse("partners", &request.get_ref().name, "name")?.to_owned();
        let read = self.db.read_few(move |conn| {
            let row = store::partner::resolve(conn, &id)?;
            shown_one(conn, row)
        });
        Ok(Response::new(read.await?))
    }

    async fn batch_get_partners(
        &self,
        request: Request<proto::BatchGetPartnersRequest>,
    ) -> Answer<proto::BatchGetPartnersResponse> {
        Caller::of(&request)?;
        Ok(Response::new(self.batch(request.into_inner()).await?))
    }

    async fn create_partner(&self, request: Request<proto::CreatePartnerRequest>) -> Answer<proto::Partner> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let wanted = request.partner.as_ref().ok_or_else(|| Error::invalid("partner", "it is missing"))?;
        let fields = fields(wanted).checked("partner")?;
        let company = self.company(&wanted.company).await?;
        let cards = self.cards.with_company(Some(company.clone()));
        if request.validate_only {
            let answer = draft(&cards, &fields, &company, self.db.clock().now())?;
            return Ok(Response::new(answer));
        }
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                company_of(tx, &company, "")?;
                let row = store::contact::create(tx, &cards, &caller, &company_book(), &fields)?;
                shown_one(tx, row)
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn update_partner(&self, request: Request<proto::UpdatePartnerRequest>) -> Answer<proto::Partner> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let new = request.partner.clone().ok_or_else(|| Error::invalid("partner", "it is missing"))?;
        let id = id::parse("partners", &new.name, "partner.name")?.to_owned();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&new))?;
        let wanted = fields(&new);
        let cards = self.cards.clone();
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let present = store::partner::get(tx, &id)?;
                let company = mask.has("company").then(|| company_of(tx, &new.company, &id)).transpose()?;
                let object = store::contact::object(tx, &caller, kontor_collection::COMPANY, &id, &new.name)?;
                let fields = taken(&present.fields, &wanted, &mask, "partner")?;
                let wanted = Wanted {
                    name: &new.name,
                    book: &company_book(),
                    etag: &new.etag,
                    fields: &fields,
                    mask: mask.fields(),
                    company,
                };
                let row = store::contact::update(tx, &cards, &caller, &object, &wanted)?;
                shown_one(tx, row)
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn delete_partner(&self, request: Request<proto::DeletePartnerRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = id::parse("partners", &request.name, "name")?.to_owned();
        let cards = self.cards.clone();
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                store::partner::get(tx, &id)?;
                let object =
                    store::contact::object(tx, &caller, kontor_collection::COMPANY, &id, &request.name)?;
                store::contact::delete(tx, &cards, &caller, &company_book(), &object, &request.etag)
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn lookup_partners(
        &self,
        request: Request<proto::LookupPartnersRequest>,
    ) -> Answer<proto::LookupPartnersResponse> {
        Caller::of(&request)?;
        let request = request.into_inner();
        let e164 = phone::e164(&request.phone_number, self.region(&request.region)).unwrap_or_default();
        let address = phone::address(&request.email);
        if address.is_empty() && !phone::may_be_number(&request.phone_number) {
            return Err(neither(&request).into());
        }
        let number = e164.clone();
        let read = self.db.read(move |conn| {
            let found = store::partner::lookup(conn, &number, &address)?;
            shown(conn, found)
        });
        let partners = read.await?;
        Ok(Response::new(proto::LookupPartnersResponse { partners, e164 }))
    }

    async fn match_or_create_partner(
        &self,
        request: Request<proto::MatchOrCreatePartnerRequest>,
    ) -> Answer<proto::MatchOrCreatePartnerResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let wanted = request.partner.as_ref().ok_or_else(|| Error::invalid("partner", "it is missing"))?;
        let mut fields = fields(wanted).checked("partner")?;
        if !request.region.is_empty() {
            // On the card a national number of another country would be read as one of ours.
            for entry in &mut fields.phones {
                entry.number = phone::e164(&entry.number, &request.region).unwrap_or(entry.number.clone());
            }
        }
        let company = self.company(&wanted.company).await?;
        let cards = self.cards.with_company(Some(company.clone()));
        let write = self.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                company_of(tx, &company, "")?;
                let (row, created) = store::partner::match_or_create(tx, &cards, &caller, &fields)?;
                Ok(proto::MatchOrCreatePartnerResponse { partner: Some(shown_one(tx, row)?), created })
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn list_timeline_entries(
        &self,
        request: Request<proto::ListTimelineEntriesRequest>,
    ) -> Answer<proto::ListTimelineEntriesResponse> {
        let caller = Caller::of(&request)?;
        let mut request = request.into_inner();
        let id = id::parse("partners", &request.parent, "parent")?.to_owned();
        let partner = self.db.read(move |conn| store::partner::resolve(conn, &id)).await?;
        request.parent = format!("partners/{}", partner.id);
        Ok(Response::new(self.timelines.list(caller, request).await?))
    }

    async fn rebuild_timelines(
        &self,
        request: Request<proto::RebuildTimelinesRequest>,
    ) -> Answer<RebuildStream> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.timelines.rebuild(&caller).await?))
    }
}

impl Partners {
    /// Looked at before the write, for the card is made with it.
    async fn company(&self, company: &str) -> kontor_kit::Result<String> {
        let company = company.to_owned();
        self.db.read_few(move |conn| company_of(conn, &company, "")).await
    }

    fn region<'a>(&'a self, asked: &'a str) -> &'a str {
        if asked.is_empty() { self.cards.region() } else { asked }
    }
}

/// What is asked is neither a number nor an address.
fn neither(request: &proto::LookupPartnersRequest) -> Error {
    let (number, email) = (request.phone_number.trim(), request.email.trim());
    let shown = |text: &str| text.chars().take(40).collect::<String>();
    match (number, email) {
        ("", "") => Error::invalid("phone_number", "give a number or an e-mail address"),
        ("", email) => {
            let message = format!("{:?} is no e-mail address: give one like anna@example.com", shown(email));
            Error::invalid("email", message)
        }
        (number, _) => {
            let message = format!(
                "{:?} is no telephone number: give one like +32 471 12 34 56, or an e-mail address in email",
                shown(number)
            );
            Error::invalid("phone_number", message)
        }
    }
}

/// The company that a link leads to: a partner that is there, or the one that it went into. Empty is none.
fn company_of(conn: &mut Conn<'_>, company: &str, partner: &str) -> kontor_kit::Result<String> {
    partner::check_company(company, partner)?;
    let Some(id) = company.strip_prefix("partners/") else { return Ok(String::new()) };
    let found = store::partner::resolve(conn, id)
        .map_err(|_| Error::invalid("partner.company", format!("{company} does not exist")))?;
    let found = format!("partners/{}", found.id);
    partner::check_company(&found, partner)?;
    Ok(found)
}

/// The partner as it would be.
fn draft(cards: &Cards, fields: &Fields, company: &str, now: i64) -> kontor_kit::Result<proto::Partner> {
    let data = store::contact::new_card(fields, now)?;
    let row = Stored {
        id: String::new(),
        book: 0,
        partner: true,
        company: company.to_owned(),
        etag: kontor_collection::write::etag(&data),
        create_time: now,
        update_time: now,
        fields: cards.read(&data)?.typed,
    };
    Ok(proto::Partner { name: String::new(), contact: String::new(), ..to_proto(row) })
}

fn fields(partner: &proto::Partner) -> Fields {
    let company = partner.kind() == proto::PartnerKind::Company;
    Fields {
        kind: if company { Kind::Company } else { Kind::Person },
        display_name: partner.display_name.clone(),
        given_name: partner.given_name.clone(),
        family_name: partner.family_name.clone(),
        organization: partner.organization.clone(),
        title: partner.title.clone(),
        phones: partner.phones.clone(),
        emails: partner.emails.clone(),
        addresses: partner.addresses.clone(),
        note: partner.note.clone(),
        ..Fields::default()
    }
}

fn fields_set(partner: &proto::Partner) -> Vec<&'static str> {
    let mut fields = set(&fields(partner));
    fields.extend((partner.kind() != proto::PartnerKind::Unspecified).then_some("kind"));
    fields.extend((!partner.company.is_empty()).then_some("company"));
    fields
}

/// Partners with what counts of their consents.
pub(super) fn shown(conn: &mut Conn<'_>, rows: Vec<Stored>) -> kontor_kit::Result<Vec<proto::Partner>> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut standings = store::consent::standings(conn, &ids)?;
    let with = |row: Stored| {
        let consents = standings.remove(&row.id).unwrap_or_default();
        let consents = consents.into_iter().map(super::consent::standing).collect();
        proto::Partner { consents, ..to_proto(row) }
    };
    Ok(rows.into_iter().map(with).collect())
}

/// The same for one.
pub(super) fn shown_one(conn: &mut Conn<'_>, row: Stored) -> kontor_kit::Result<proto::Partner> {
    shown(conn, vec![row])?.pop().ok_or_else(|| Error::internal("a partner is not shown"))
}

fn to_proto(row: Stored) -> proto::Partner {
    let fields = row.fields;
    let kind = match fields.kind {
        Kind::Person => proto::PartnerKind::Person,
        Kind::Company => proto::PartnerKind::Company,
    };
    proto::Partner {
        name: format!("partners/{}", row.id),
        kind: kind.into(),
        display_name: fields.display_name,
        given_name: fields.given_name,
        family_name: fields.family_name,
        organization: fields.organization,
        title: fields.title,
        phones: fields.phones,
        emails: fields.emails,
        addresses: fields.addresses,
        note: fields.note,
        company: row.company,
        etag: row.etag,
        contact: format!("addressBooks/company/contacts/{}", row.id),
        create_time: Some(clock::to_proto(row.create_time)),
        update_time: Some(clock::to_proto(row.update_time)),
        consents: Vec::new(),
    }
}
