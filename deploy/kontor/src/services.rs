//! Every service that there is: its tables, and how it is started beside those that it calls. A new one is added here, and nowhere else in this crate.
//! Called by serve.rs; the settings take the names from here.

use std::pin::Pin;

use kontor_gateway::Links;
use kontor_kit::context::Context;
use kontor_kit::db::Migration;
use kontor_kit::link::Link;
use kontor_kit::unit::Unit;
use kontor_kit::{Error, Result};

use crate::config::Config;

/// A service.
pub struct Service {
    /// "pipeline"
    pub name: &'static str,
    /// Setting with its address when it runs elsewhere: "peers.pipeline".
    pub peer: &'static str,
    /// Its tables.
    pub migrations: &'static [Migration],
    /// Starts it; those that it calls are among the links.
    pub start: Start,
}

/// How a service is started.
pub type Start =
    for<'a> fn(&'a Config, &'a Context, &'a Links) -> Pin<Box<dyn Future<Output = Result<Unit>> + Send + 'a>>;

/// All, from the ground up: each calls only those before it.
pub static SERVICES: [Service; 7] = [
    Service {
        name: "directory",
        peer: "peers.directory",
        migrations: kontor_directory::MIGRATIONS,
        start: |_, context, _| Box::pin(kontor_directory::start(context)),
    },
    Service {
        name: "calendar",
        peer: "peers.calendar",
        migrations: kontor_calendar::MIGRATIONS,
        start: |_, context, links| {
            Box::pin(async move {
                let peers = kontor_calendar::Peers { directory: need(links, "calendar", "directory")? };
                kontor_calendar::start(context, peers, kontor_calendar::Config::default()).await
            })
        },
    },
    Service {
        name: "pipeline",
        peer: "peers.pipeline",
        migrations: kontor_pipeline::MIGRATIONS,
        start: |_, context, links| {
            Box::pin(async move {
                let peers = kontor_pipeline::Peers {
                    directory: need(links, "pipeline", "directory")?,
                    calendar: need(links, "pipeline", "calendar")?,
                };
                kontor_pipeline::start(context, peers).await
            })
        },
    },
    Service {
        name: "telephony",
        peer: "peers.telephony",
        migrations: kontor_telephony::MIGRATIONS,
        start: |config, context, links| {
            Box::pin(async move {
                let peers = kontor_telephony::Peers {
                    directory: need(links, "telephony", "directory")?,
                    pipeline: need(links, "telephony", "pipeline")?,
                };
                let public_url = config.get("public.address").to_owned();
                let config = kontor_telephony::Config { public_url, ..Default::default() };
                kontor_telephony::start_with(context, peers, config).await
            })
        },
    },
    Service {
        name: "templating",
        peer: "peers.templating",
        migrations: kontor_templating::MIGRATIONS,
        start: |_, context, links| {
            Box::pin(async move {
                let peers = kontor_templating::Peers { directory: need(links, "templating", "directory")? };
                kontor_templating::start(context, peers).await
            })
        },
    },
    Service {
        name: "mail",
        peer: "peers.mail",
        migrations: kontor_mail::MIGRATIONS,
        start: |config, context, links| {
            Box::pin(async move {
                let peers = kontor_mail::Peers {
                    directory: need(links, "mail", "directory")?,
                    templating: need(links, "mail", "templating")?,
                };
                kontor_mail::start(context, peers, &config.mail()).await
            })
        },
    },
    Service {
        name: "segmentation",
        peer: "peers.segmentation",
        migrations: kontor_segmentation::MIGRATIONS,
        start: |_, context, links| {
            Box::pin(async move {
                // Without the pipeline and telephony rules know no opportunities and no calls; without mail there are no campaigns by mail.
                let peers = kontor_segmentation::Peers {
                    directory: need(links, "segmentation", "directory")?,
                    pipeline: links.get("pipeline").cloned(),
                    telephony: links.get("telephony").cloned(),
                    mail: links.get("mail").cloned(),
                };
                kontor_segmentation::start(context, peers).await
            })
        },
    },
];

/// The service of this name.
pub fn find(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name == name)
}

fn need(links: &Links, who: &str, whom: &'static str) -> Result<Link> {
    links.get(whom).cloned().ok_or_else(|| {
        Error::invalid(
            "services",
            format!("{who} needs {whom}: run it here too, or give its address as peers.{whom}"),
        )
    })
}
