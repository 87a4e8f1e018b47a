//! DAV:expand-property (RFC 3253 section 3.8): properties whose hrefs are answered with the resources that they name.
//! Called by REPORT on any resource. Apple's clients ask so for the principals behind a calendar.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use http::{Response, StatusCode};

use crate::dav::error::{Condition, Failure};
use crate::dav::headers::Preferences;
use crate::dav::path::Place;
use crate::dav::properties::propstat::{self, Ask};
use crate::dav::properties::record::Record;
use crate::dav::properties::{Live, Property, Wanted};
use crate::dav::xml::Writer;
use crate::dav::xml::principals::Expand;
use crate::dav::{Call, limits, stream};

/// Answers with the resource asked for and what its properties lead to.
pub async fn run(
    call: &Call<'_>,
    properties: &[Expand],
    preferences: Preferences,
) -> Result<Response<Body>, Failure> {
    let record = Record::load(call, call.place).await?;
    let mut expansion = Expansion { call, minimal: preferences.minimal, left: limits::EXPAND_RESOURCES };
    let response = expansion.response(call.place.href(), record, properties).await?;
    let mut out = stream::begin();
    out.ready(response.as_bytes());
    Ok(stream::finished(out, preferences))
}

struct Expansion<'a> {
    call: &'a Call<'a>,
    minimal: bool,
    /// Resources that may still be looked into.
    left: usize,
}

type Written<'f> = Pin<Box<dyn Future<Output = Result<Writer, Failure>> + Send + 'f>>;

impl<'a> Expansion<'a> {
    /// The response of one resource. Calls itself no deeper than the body is nested, which is `limits::EXPAND_DEPTH`.
    fn response<'f>(&'f mut self, href: String, record: Record, properties: &'f [Expand]) -> Written<'f>
    where
        'a: 'f,
    {
        Box::pin(async move {
            let user = self.call.user();
            let mut expanded: HashMap<Live, Writer> = HashMap::new();
            for property in properties.iter().filter(|property| !property.inside.is_empty()) {
                let Property::Live(live) = property.property else { continue };
                let mut plain = Writer::new();
                if live.is_on(record.kind()) && record.write(live, user, &mut plain) {
                    expanded.insert(live, self.value(&plain, &property.inside).await?);
                }
            }
            let wanted = properties.iter().map(|property| property.property.clone()).collect();
            let ask = Ask { wanted: Wanted::These(wanted), minimal: self.minimal };
            let mut out = Writer::new();
            propstat::response(
                &mut out,
                &href,
                &ask,
                record.kind(),
                record.dead(),
                |live, out| match expanded.get(&live) {
                    Some(value) => {
                        out.ready(value.as_bytes());
                        true
                    }
                    None => record.write(live, user, out),
                },
            );
            Ok(out)
        })
    }

    /// A property's value with a response in the place of each href that leads into this tree.
    async fn value(&mut self, plain: &Writer, inside: &[Expand]) -> Result<Writer, Failure> {
        let text = String::from_utf8_lossy(plain.as_bytes()).into_owned();
        let mut out = Writer::new();
        let mut rest = text.as_str();
        while let Some((before, behind)) = rest.split_once("<D:href>") {
            let Some((href, after)) = behind.split_once("</D:href>") else { break };
            out.ready(before.as_bytes());
            match Place::parse(href) {
                Ok(place) if href.starts_with(crate::dav::path::ROOT) => {
                    let response = self.follow(href, &place, inside).await?;
                    out.ready(response.as_bytes());
                }
                _ => {
                    out.raw("<D:href>");
                    out.ready(href.as_bytes());
                    out.raw("</D:href>");
                }
            }
            rest = after;
        }
        out.ready(rest.as_bytes());
        Ok(out)
    }

    async fn follow(&mut self, href: &str, place: &Place, inside: &[Expand]) -> Result<Writer, Failure> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            let message = format!("the answer would hold more than {} resources", limits::EXPAND_RESOURCES);
            let condition = Condition::NumberOfMatchesWithinLimits;
            Failure::condition(StatusCode::INSUFFICIENT_STORAGE, condition, message)
        })?;
        match Record::load(self.call, place).await {
            Ok(record) => self.response(href.to_owned(), record, inside).await,
            Err(failure) if failure.status() == StatusCode::NOT_FOUND => {
                let mut out = Writer::new();
                propstat::missing(&mut out, href);
                Ok(out)
            }
            Err(failure) => Err(failure),
        }
    }
}
