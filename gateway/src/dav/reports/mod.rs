//! One file per report, and what they share.
//! Called by REPORT.

pub mod addressbook_query;
pub mod calendar_query;
pub mod expand_property;
pub mod free_busy_query;
pub mod multiget;
pub mod partial;
pub mod principals;
pub mod shape;
pub mod sync_collection;

use axum::body::Body;
use http::Response;
use kontor_proto::collection::v1::{Collection, GetCollectionRequest, QueryObjectsRequest};
use kontor_vobject::zone::Zone;

use super::error::{Condition, Failure};
use super::headers::Preferences;
use super::path::Location;
use super::properties::object::{self, Setting, Template};
use super::properties::propstat::Ask;
use super::properties::sharing;
use super::stream::{self, Listing};
use super::xml::report::{Forms, Subset};
use super::{Call, contract_path};
use kontor_vobject::card::Version;
use shape::Shaper;

/// The answer to a report that a resource does not offer.
pub fn unsupported() -> Failure {
    Failure::forbidden(Condition::SupportedReport, "this resource does not answer this report")
}

/// A report on its way.
pub struct Run<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) location: &'a Location,
    /// Of the object that was asked for; none for a whole collection.
    pub(super) name: Option<&'a str>,
    pub(super) ask: Ask,
    pub(super) subset: Option<Subset>,
    /// Other forms of the data.
    pub(super) forms: Forms,
    /// The zone that the client named for floating times; empty means the calendar's.
    pub(super) time_zone: String,
    pub(super) version: Option<Version>,
    pub(super) preferences: Preferences,
}

impl Run<'_> {
    /// The template of the objects' responses. The collection is read only when the privileges were asked for.
    async fn template(&mut self) -> Result<Template, Failure> {
        let it = if object::needs_collection(&self.ask.wanted) {
            self.call.collection_with(self.location, sharing::needs_shares(&self.ask.wanted)).await?
        } else {
            Collection::default()
        };
        let (subset, version) = (self.subset.take(), self.version);
        let setting = Setting {
            location: self.location,
            access: it.access(),
            shares: &it.shares,
            caller: self.call.user(),
            subset,
            version,
        };
        let template = Template::new(&self.ask, setting);
        if self.forms.is_plain() || !template.with_data() {
            return Ok(template);
        }
        Ok(template.shaped(Shaper::new(self.forms, self.zone().await?)))
    }

    /// The zone in which floating times and days are taken. One that the client named is checked by the service too.
    async fn zone(&self) -> Result<Zone, Failure> {
        if !self.time_zone.is_empty() {
            return Ok(Zone::of_text(&self.time_zone).unwrap_or(Zone::UTC));
        }
        let message = GetCollectionRequest {
            path: Some(contract_path(self.location)),
            with_zone: true,
            ..Default::default()
        };
        let answer =
            self.call.dav.collections(self.location.kind).get_collection(self.call.request(message)).await;
        let collection = answer.map_err(|status| self.call.failure(&status))?.into_inner();
        Ok(Zone::of_text(&collection.zone).unwrap_or(Zone::UTC))
    }

    /// Runs a query and streams what it finds. One object more than the limit is asked for, to know whether there are more.
    async fn query(
        mut self,
        mut message: QueryObjectsRequest,
        limit: i64,
    ) -> Result<Response<Body>, Failure> {
        let template = self.template().await?;
        message.name = self.name.unwrap_or_default().to_owned();
        message.with_data = template.with_data();
        message.with_dead = template.with_dead();
        message.limit = if limit > 0 { limit + 1 } else { 0 };
        let objects = self.call.dav.near(self.location.kind).query_objects(self.call.request(message)).await;
        let objects = objects.map_err(|status| self.call.failure(&status))?;
        let source = Listing::limited(objects, template, limit, self.location.href());
        stream::answer(stream::begin(), source, self.preferences, |status| self.call.failure(status)).await
    }
}
