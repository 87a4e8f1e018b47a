//! gRPC at the edge: a method's package names its service; reflection and health are answered here.
//! Called by `Gateway::answer`.

use std::collections::HashMap;

use axum::body::Body;
use http::{Request, Response};
use kontor_kit::auth::Caller;
use kontor_kit::link::{Link, SERVICE_HEADER};
use kontor_kit::routes::{Answers, Routes, service_of, unknown};
use kontor_kit::{Error, Result};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Status;

use super::Links;

/// Services that are spoken between processes only.
const INSIDE_ONLY: [&str; 7] = [
    "kontor.collection.v1.CollectionService",
    "kontor.directory.v1.CredentialService",
    "kontor.directory.v1.SegmentBookService",
    "kontor.calendar.v1.FeedService",
    "kontor.calendar.v1.MessageService",
    "kontor.templating.v1.FileService",
    "kontor.mail.v1.UnsubscribeService",
];

pub(super) struct Router {
    services: HashMap<&'static str, Link>,
    own: Link,
}

impl Router {
    pub(super) fn new(services: Links) -> Result<Router> {
        let names = outside(&services)?;
        Ok(Router { services, own: Link::local(own_routes(&names)?) })
    }

    /// Names of the services behind this edge.
    pub(super) fn services(&self) -> impl Iterator<Item = (&'static str, Link)> {
        self.services.iter().map(|(name, link)| (*name, link.clone()))
    }

    /// Passes the request on. `inside` is true for other processes of the installation.
    pub(super) async fn answer(&self, request: Request<Body>, inside: bool) -> Response<tonic::body::Body> {
        let path = request.uri().path();
        let name = service_of(path);
        if name.starts_with("grpc.") {
            return pass(&self.own, request).await;
        }
        let service =
            name.strip_prefix("kontor.").and_then(|rest| rest.split('.').next()).unwrap_or_default();
        // Collections are kept by two services under one name, so the asking process says which it means.
        let service = match request.headers().get(SERVICE_HEADER) {
            Some(wanted) if inside => wanted.to_str().unwrap_or_default(),
            _ => service,
        };
        let hidden = INSIDE_ONLY.contains(&name) && !inside;
        match self.services.get(service).filter(|_| !hidden) {
            None => unknown(path),
            Some(_) if request.extensions().get::<Caller>().is_none() => refuse(
                Error::unauthenticated(
                    "sign in first: send `authorization: Bearer TOKEN` or `authorization: Basic ...`",
                )
                .into(),
            ),
            Some(link) => pass(link, request).await,
        }
    }
}

async fn pass(link: &Link, request: Request<Body>) -> Response<tonic::body::Body> {
    match link.answer(request.map(tonic::body::Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Services that reflection shows: all that the descriptors have in the packages that can be reached here, but those that are spoken inside only.
fn outside(services: &Links) -> Result<Vec<String>> {
    let descriptors = FileDescriptorSet::decode(kontor_proto::DESCRIPTORS).map_err(Error::internal)?;
    let mut names = Vec::new();
    for file in &descriptors.file {
        if services.keys().any(|service| file.package() == format!("kontor.{service}.v1")) {
            names.extend(file.service.iter().map(|found| format!("{}.{}", file.package(), found.name())));
        }
    }
    names.retain(|name| !INSIDE_ONLY.contains(&name.as_str()));
    Ok(names)
}

/// A gRPC answer that is only a status.
pub(super) fn refuse(status: Status) -> Response<tonic::body::Body> {
    status.into_http()
}

fn own_routes(names: &[String]) -> Result<Routes> {
    let build = |builder: tonic_reflection::server::Builder<'static>| {
        let with_health = builder
            .register_encoded_file_descriptor_set(kontor_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // Details of refusals (`google.rpc.ErrorInfo`): callers print them in words only when they can look them up.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        names.iter().fold(with_health, |builder, name| builder.with_service_name(name.clone()))
    };
    let v1 = build(tonic_reflection::server::Builder::configure()).build_v1().map_err(Error::internal)?;
    let alpha =
        build(tonic_reflection::server::Builder::configure()).build_v1alpha().map_err(Error::internal)?;
    let (health, service) = tonic_health::server::health_reporter();
    let names = names.to_vec();
    tokio::spawn(async move {
        for name in names {
            health.set_service_status(name, tonic_health::ServingStatus::Serving).await;
        }
    });
    Ok(Routes::new(v1).add_service(alpha).add_service(service))
}
