//! PriceListService: price lists, and which price counts for a partner and why.
//! Called by the gateway and by other programs.

use kontor_kit::auth::Caller;
use kontor_kit::mask::Mask;
use kontor_kit::page::{Query, Scope};
use kontor_kit::resource::{self, Stored};
use kontor_kit::{Error, Result, clock, id, replay};
use kontor_proto::segmentation::v1 as proto;
use kontor_proto::segmentation::v1::price_list_service_server::PriceListService;
use kontor_proto::r#type::v1::Money;
use tonic::{Request, Response};

use super::{Answer, House, chosen_id, must, segment_id};
use crate::domain::money;
use crate::domain::price::{Item, PriceList, choose};
use crate::domain::segment::Segment;
use crate::engine::segment_name;
use crate::store;
use crate::store::price_list::LISTING;

/// The service.
pub struct PriceLists(pub(super) House);

/// Fields that UpdatePriceList takes.
const FIELDS: [&str; 6] = ["display_name", "segment", "priority", "start_time", "end_time", "items"];

fn segment_of(id: &str) -> String {
    if id.is_empty() { String::new() } else { segment_name(id) }
}

fn to_proto(list: &PriceList) -> proto::PriceList {
    let item = |item: &Item| proto::PriceItem {
        product: item.product.clone(),
        price: money::text(item.price.into(), &list.currency),
        min_quantity: item.min_quantity,
        start_time: item.start_time.map(clock::to_proto),
        end_time: item.end_time.map(clock::to_proto),
    };
    proto::PriceList {
        name: list.name(),
        display_name: list.display_name.clone(),
        segment: segment_of(&list.segment),
        currency_code: list.currency.clone(),
        priority: list.priority,
        start_time: list.start_time.map(clock::to_proto),
        end_time: list.end_time.map(clock::to_proto),
        items: list.items.iter().map(item).collect(),
        etag: list.etag(),
        create_time: Some(clock::to_proto(list.create_time)),
        update_time: Some(clock::to_proto(list.update_time)),
    }
}

/// Fields that a message has set, for an update without a mask.
fn fields_set(given: &proto::PriceList) -> Vec<&'static str> {
    let set = [
        ("display_name", !given.display_name.is_empty()),
        ("segment", !given.segment.is_empty()),
        ("priority", given.priority != 0),
        ("start_time", given.start_time.is_some()),
        ("end_time", given.end_time.is_some()),
        ("items", !given.items.is_empty()),
    ];
    set.into_iter().filter(|(_, set)| *set).map(|(field, _)| field).collect()
}

/// Takes over what the mask names.
fn read(given: &proto::PriceList, mask: &Mask, list: &mut PriceList) -> Result<()> {
    let micros = |time: Option<&prost_types::Timestamp>| time.map(clock::from_proto);
    if mask.has("display_name") {
        list.display_name = given.display_name.trim().to_owned();
    }
    if mask.has("segment") {
        list.segment = match given.segment.as_str() {
            "" => String::new(),
            name => segment_id(name, "price_list.segment")?,
        };
    }
    if mask.has("priority") {
        list.priority = given.priority;
    }
    if mask.has("start_time") {
        list.start_time = micros(given.start_time.as_ref());
    }
    if mask.has("end_time") {
        list.end_time = micros(given.end_time.as_ref());
    }
    if mask.has("items") {
        let code = list.currency.clone();
        let item = |(place, item): (usize, &proto::PriceItem)| {
            let field = format!("price_list.items[{place}].price");
            Ok(Item {
                product: item.product.clone(),
                price: money::read("price_list.currency_code", &code, &field, &item.price)?,
                min_quantity: if item.min_quantity == 0 { 1 } else { item.min_quantity },
                start_time: micros(item.start_time.as_ref()),
                end_time: micros(item.end_time.as_ref()),
            })
        };
        list.items = given.items.iter().enumerate().map(item).collect::<Result<_>>()?;
    }
    list.check()
}

/// Holds the segment until the commit, so that it is not deleted in this moment.
fn must_be_there(conn: &mut kontor_kit::db::Conn<'_>, id: &str) -> Result<()> {
    if id.is_empty() {
        return Ok(());
    }
    let found: Option<Segment> = resource::find(conn, id)?;
    match found.filter(|segment| segment.delete_time.is_none()) {
        Some(_) => Ok(()),
        None => Err(Error::invalid("price_list.segment", format!("segments/{id} does not exist"))),
    }
}

#[tonic::async_trait]
impl PriceListService for PriceLists {
    async fn list_price_lists(
        &self,
        request: Request<proto::ListPriceListsRequest>,
    ) -> Answer<proto::ListPriceListsResponse> {
        let caller = Caller::of(&request)?;
        let proto::ListPriceListsRequest { page_size, page_token, filter, order_by } = request.into_inner();
        let query = Query { page_size, page_token, filter, order_by };
        let read = self.0.db.read(move |conn| {
            let scope = Scope::from(("1 = 1".to_owned(), Vec::new()));
            resource::list::<PriceList>(conn, &LISTING, &caller, &query, scope)
        });
        let page = read.await?.map(|list| to_proto(&list));
        let (price_lists, next_page_token) = (page.rows, page.next_page_token);
        Ok(Response::new(proto::ListPriceListsResponse { price_lists, next_page_token }))
    }

    async fn get_price_list(&self, request: Request<proto::GetPriceListRequest>) -> Answer<proto::PriceList> {
        Caller::of(&request)?;
        let id = id::parse("priceLists", &request.get_ref().name, "name")?.to_owned();
        let read = self.0.db.read(move |conn| {
            let mut list: PriceList = resource::get(conn, &id)?;
            list.items = store::price_list::items(conn, &id)?;
            Ok(list)
        });
        Ok(Response::new(to_proto(&read.await?)))
    }

    async fn create_price_list(
        &self,
        request: Request<proto::CreatePriceListRequest>,
    ) -> Answer<proto::PriceList> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let given = must(request.price_list.as_ref(), "price_list")?;
        let now = self.0.db.clock().now();
        let mut list = PriceList {
            id: chosen_id(&request.price_list_id, "price_list_id")?,
            version: 1,
            display_name: String::new(),
            segment: String::new(),
            currency: self.0.code("price_list.currency_code", &given.currency_code)?,
            priority: 0,
            start_time: None,
            end_time: None,
            items: Vec::new(),
            create_time: now,
            update_time: now,
        };
        read(&given, &Mask::read(None, &[], &FIELDS)?, &mut list)?;
        if request.validate_only {
            let segment = list.segment.clone();
            self.0.db.read(move |conn| must_be_there(conn, &segment)).await?;
            return Ok(Response::new(to_proto(&list)));
        }
        let write = self.0.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                store::segment::lock(tx)?;
                must_be_there(tx, &list.segment)?;
                resource::insert(tx, &list)?;
                store::price_list::set_items(tx, &list, &[])?;
                Ok(to_proto(&list))
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn update_price_list(
        &self,
        request: Request<proto::UpdatePriceListRequest>,
    ) -> Answer<proto::PriceList> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let given = must(request.price_list.as_ref(), "price_list")?;
        let id = id::parse("priceLists", &given.name, "price_list.name")?.to_owned();
        let mask = Mask::read(request.update_mask.as_ref(), &FIELDS, &fields_set(&given))?;
        let write = self.0.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                store::segment::lock(tx)?;
                let mut list: PriceList = resource::hold(tx, &id)?;
                resource::check_etag(&list, &given.etag)?;
                let old = store::price_list::items(tx, &id)?;
                list.items.clone_from(&old);
                read(&given, &mask, &mut list)?;
                must_be_there(tx, &list.segment)?;
                list.update_time = tx.now();
                resource::update(tx, &mut list)?;
                store::price_list::set_items(tx, &list, &old)?;
                Ok(to_proto(&list))
            })
        });
        Ok(Response::new(write.await?))
    }

    async fn delete_price_list(&self, request: Request<proto::DeletePriceListRequest>) -> Answer<()> {
        let caller = Caller::of(&request)?;
        caller.must_be_admin()?;
        let request = request.into_inner();
        let id = id::parse("priceLists", &request.name, "name")?.to_owned();
        let write = self.0.db.write(move |tx| {
            replay::once(tx, &caller, &request.request_id, &request, |tx| {
                let list: PriceList = resource::hold(tx, &id)?;
                resource::check_etag(&list, &request.etag)?;
                let old = store::price_list::items(tx, &id)?;
                store::price_list::set_items(tx, &list, &old)?;
                resource::delete(tx, &list)
            })
        });
        write.await?;
        Ok(Response::new(()))
    }

    async fn find_price(
        &self,
        request: Request<proto::FindPriceRequest>,
    ) -> Answer<proto::FindPriceResponse> {
        Caller::of(&request)?;
        Ok(Response::new(self.0.find_price(request.into_inner()).await?))
    }
}

impl House {
    async fn find_price(&self, request: proto::FindPriceRequest) -> Result<proto::FindPriceResponse> {
        id::parse("partners", &request.partner, "partner")?;
        let code = self.code("currency_code", &request.currency_code)?;
        let quantity = match request.quantity {
            0 => 1,
            quantity if quantity < 0 => return Err(Error::invalid("quantity", "it can't be negative")),
            quantity => quantity,
        };
        let time = request.time.as_ref().map_or_else(|| self.db.clock().now(), clock::from_proto);
        let (partner, product, of) = (request.partner.clone(), request.product.clone(), code.clone());
        let (ord, candidates) = self
            .db
            .read(move |conn| {
                let ord = store::partner::get(conn, &partner)?.ord;
                Ok((ord, store::price_list::candidates(conn, &product, quantity, &of, time)?))
            })
            .await?;
        let candidates = self
            .live
            .ask(move |engine| {
                let is_in = |segment: &str| {
                    segment.is_empty()
                        || engine.members(&segment_name(segment)).is_some_and(|members| members.contains(ord))
                };
                Ok(candidates.into_iter().filter(|it| is_in(&it.segment)).collect::<Vec<_>>())
            })
            .await?;
        let price = |value: i64| {
            Some(Money { currency_code: code.clone(), amount: money::text(value.into(), &code) })
        };
        let chosen = choose(candidates, &code);
        let Some((first, reason)) = chosen.first() else {
            let message = format!(
                "no price list has a price in {code} for {quantity} of {:?} for {}",
                request.product, request.partner
            );
            return Err(Error::new(tonic::Code::NotFound, "NO_PRICE", message));
        };
        Ok(proto::FindPriceResponse {
            price: price(first.price),
            price_list: format!("priceLists/{}", first.list),
            reason: reason.clone(),
            candidates: chosen
                .iter()
                .map(|(it, reason)| proto::PriceCandidate {
                    price_list: format!("priceLists/{}", it.list),
                    segment: segment_of(&it.segment),
                    priority: it.priority,
                    price: price(it.price),
                    reason: reason.clone(),
                })
                .collect(),
        })
    }
}
