//! Settings: one table of known keys; a file, then `KONTOR_...`, then the command line; unknown keys are refused.
//! Called by `main.rs` and the tests' Sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kontor_kit::context::{Company, Push};
use kontor_kit::db::Storage;
use kontor_kit::{Error, Result};

use crate::services::SERVICES;

/// Every setting: key, default, what it is. Environment: `company.region` is `KONTOR_COMPANY_REGION`.
const KEYS: [(&str, &str, &str); 34] = [
    ("data", "./kontor-data", "folder of the data"),
    ("listen", "127.0.0.1:8420", "address and port to listen on; port 0 takes a free one"),
    ("services", "all", "services to run here, by comma"),
    ("demo", "false", "fill an empty installation with a sample company"),
    ("database.url", "", "PostgreSQL to use instead of SQLite: postgres://user:secret@host/database"),
    ("company.region", "BE", "ISO 3166 country for national telephone numbers"),
    ("company.time_zone", "Europe/Brussels", "IANA time zone"),
    ("company.currency", "EUR", "ISO 4217 currency"),
    ("company.name", "", "the company's name, as letters show it"),
    ("company.locale", "en", "language of letters to partners that have none: en, de-AT, fr-CH"),
    ("cluster.key", "", "secret shared by the processes of one installation, at least 16 characters"),
    ("peers.directory", "", "address of directory when it runs elsewhere: http://10.0.0.2:8420"),
    ("peers.pipeline", "", "address of pipeline when it runs elsewhere"),
    ("peers.calendar", "", "address of calendar when it runs elsewhere"),
    ("peers.telephony", "", "address of telephony when it runs elsewhere"),
    ("peers.segmentation", "", "address of segmentation when it runs elsewhere"),
    ("peers.templating", "", "address of templating when it runs elsewhere"),
    ("peers.mail", "", "address of mail when it runs elsewhere"),
    (
        "mail.relay",
        "",
        "server that takes our mail: smtp://host:25, smtp+starttls://user:secret@host:587 or smtps://user:secret@host:465",
    ),
    ("mail.from", "", "sender of mailings that name none: Example Ltd <news@example.com>"),
    ("mail.return_path", "", "where bounces go, with a tag for each message: bounces@example.com"),
    ("mail.connections", "8", "connections to the relay at once, of each process that runs mail"),
    ("mail.domain_rate", "600", "messages a minute to one domain at most, in all; 0 is no limit"),
    ("mail.domain_connections", "8", "messages on their way to one domain at once at most, in all"),
    (
        "mail.dkim.domain",
        "",
        "domain that signs messages: example.com; with selector and key_file, or none of them",
    ),
    ("mail.dkim.selector", "", "name of the key in DNS: the record is at SELECTOR._domainkey.DOMAIN"),
    ("mail.dkim.key_file", "", "file with the private key, RSA or Ed25519 in PEM"),
    (
        "push.enabled",
        "true",
        "push messages to phones that ask for them: Kontor posts to the push services that they name",
    ),
    (
        "push.private_addresses",
        "false",
        "push messages also to the own network and without TLS: for a push server in the house",
    ),
    (
        "public.address",
        "",
        "address by which the installation is reached from outside: https://crm.example.com; some telephone providers sign it",
    ),
    ("push.contact", "", "how push services reach you: mailto:it@example.com or an https address"),
    ("log.level", "info", "error, warn, info, debug or trace; or a filter like info,kontor_gateway=debug"),
    ("log.format", "text", "text or json"),
    ("trace.endpoint", "", "OpenTelemetry collector that takes OTLP over HTTP: http://127.0.0.1:4318"),
];

/// Names of what can be run: the gateway and every service.
pub fn services() -> impl Iterator<Item = &'static str> {
    ["gateway"].into_iter().chain(SERVICES.iter().map(|service| service.name))
}

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Config(BTreeMap<&'static str, (String, Origin)>);

#[derive(Clone, Debug)]
enum Origin {
    Default,
    File,
    Environment,
    CommandLine,
}

impl Config {
    /// Reads the file (when given), then the variables, then what the command line gave.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a file that can't be read, an unknown key (with the nearest known one) or a bad value.
    pub fn read(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
        given: impl Iterator<Item = (String, String)>,
    ) -> Result<Config> {
        let mut config = Config(
            KEYS.iter().map(|(key, value, _)| (*key, ((*value).to_owned(), Origin::Default))).collect(),
        );
        if let Some(path) = file {
            config.read_file(path)?;
        }
        for (name, value) in variables {
            let Some(key) = name.strip_prefix("KONTOR_") else { continue };
            // Variables of the test suite are not settings, nor are those that Kubernetes makes for a service called "kontor", nor those of `kontor
            // import`, which a shell may have for all commands.
            if !["TOKEN", "SERVER"].contains(&key)
                && !["TEST_", "SERVICE_", "PORT"].iter().any(|prefix| key.starts_with(prefix))
            {
                config.set_variable(&name, key, value)?;
            }
        }
        for (key, value) in given {
            config.set(&key, value, Origin::CommandLine)?;
        }
        config.check()?;
        Ok(config)
    }

    fn read_file(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| Error::invalid("config", format!("can't read {}: {cause}", path.display())))?;
        let table: toml::Table =
            text.parse().map_err(|cause| Error::invalid("config", format!("{}: {cause}", path.display())))?;
        for (key, value) in flatten(table) {
            self.set(&key, value, Origin::File)?;
        }
        Ok(())
    }

    fn set_variable(&mut self, name: &str, rest: &str, value: String) -> Result<()> {
        let as_variable = |key: &str| key.replace('.', "_").to_uppercase();
        match KEYS.iter().find(|(key, _, _)| as_variable(key) == rest) {
            Some((key, _, _)) => self.set(key, value, Origin::Environment),
            None => {
                let near = nearest(rest, KEYS.iter().map(|(key, _, _)| as_variable(key)));
                Err(Error::invalid(name, format!("there is no such setting; the nearest is KONTOR_{near}")))
            }
        }
    }

    fn set(&mut self, key: &str, value: String, origin: Origin) -> Result<()> {
        match KEYS.iter().find(|(known, _, _)| *known == key) {
            Some((known, _, _)) => {
                self.0.insert(known, (value, origin));
                Ok(())
            }
            None => {
                let near = nearest(key, KEYS.iter().map(|(known, _, _)| (*known).to_owned()));
                Err(Error::invalid(key, format!("there is no such setting; the nearest is {near}")))
            }
        }
    }

    fn check(&self) -> Result<()> {
        self.services()?;
        for key in ["demo", "push.enabled", "push.private_addresses"] {
            if !["true", "false"].contains(&self.get(key)) {
                return Err(Error::invalid(key, "use true or false"));
            }
        }
        let public = self.get("public.address");
        if !public.is_empty() {
            kontor_telephony::domain::address::check("public.address", public)?;
        }
        kontor_mail::Settings::check(&self.mail())?;
        let contact = self.get("push.contact");
        if !contact.is_empty() && !contact.starts_with("mailto:") && !contact.starts_with("https://") {
            return Err(Error::invalid(
                "push.contact",
                format!("{contact:?} is not like mailto:it@example.com"),
            ));
        }
        let zone = self.get("company.time_zone");
        jiff::tz::TimeZone::get(zone)
            .map_err(|_| Error::invalid("company.time_zone", format!("{zone:?} is no IANA time zone")))?;
        let locale = self.get("company.locale");
        if kontor_templating::domain::Locale::parse(locale).is_none() {
            let known: Vec<_> = kontor_templating::domain::Locale::all().collect();
            let message = format!("{locale:?} is no language of letters: {}", known.join(", "));
            return Err(Error::invalid("company.locale", message));
        }
        let region = self.get("company.region");
        if region.len() != 2 || !region.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Error::invalid(
                "company.region",
                format!("{region:?} is no ISO 3166 country like BE"),
            ));
        }
        Ok(())
    }

    /// One setting.
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", |(value, _)| value.as_str())
    }

    /// Folder of the data.
    pub fn data(&self) -> PathBuf {
        PathBuf::from(self.get("data"))
    }

    /// Where data is kept.
    pub fn storage(&self) -> Storage {
        match self.get("database.url") {
            "" => Storage::Sqlite(self.data()),
            url => Storage::Postgres(url.to_owned()),
        }
    }

    /// The company's settings.
    pub fn company(&self) -> Company {
        Company {
            region: self.get("company.region").to_owned(),
            time_zone: self.get("company.time_zone").to_owned(),
            currency: self.get("company.currency").to_owned(),
            name: self.get("company.name").to_owned(),
            locale: self.get("company.locale").to_owned(),
        }
    }

    /// Settings of push messages.
    pub fn push(&self) -> Push {
        Push {
            enabled: self.get("push.enabled") == "true",
            private_addresses: self.get("push.private_addresses") == "true",
            contact: self.get("push.contact").to_owned(),
        }
    }

    /// The settings of mail.
    pub fn mail(&self) -> kontor_mail::Config {
        let text = |key: &str| self.get(key).to_owned();
        kontor_mail::Config {
            relay: text("mail.relay"),
            from: text("mail.from"),
            return_path: text("mail.return_path"),
            connections: text("mail.connections"),
            domain_rate: text("mail.domain_rate"),
            domain_connections: text("mail.domain_connections"),
            dkim_domain: text("mail.dkim.domain"),
            dkim_selector: text("mail.dkim.selector"),
            dkim_key_file: text("mail.dkim.key_file"),
            public_address: text("public.address"),
        }
    }

    /// Whether the sample company is wanted.
    pub fn demo(&self) -> bool {
        self.get("demo") == "true"
    }

    /// Services to run here.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for an unknown one, with the known ones.
    pub fn services(&self) -> Result<Vec<&'static str>> {
        let list = self.get("services");
        if list == "all" {
            return Ok(services().collect());
        }
        list.split(',')
            .map(str::trim)
            .map(|name| {
                services().find(|known| *known == name).ok_or_else(|| {
                    let near = nearest(name, services().map(str::to_owned));
                    // Of few names the nearest is mostly not near.
                    let meant = if strsim::damerau_levenshtein(name, &near) <= 2 {
                        format!("did you mean {near}? ")
                    } else {
                        String::new()
                    };
                    let all = services().collect::<Vec<_>>().join(", ");
                    Error::invalid(
                        "services",
                        format!("there is no service {name:?}; {meant}there are {all}, and all"),
                    )
                })
            })
            .collect()
    }

    /// All settings as TOML with where each comes from. Secrets are not shown.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (key, _, help) in KEYS {
            let Some((value, origin)) = self.0.get(key) else { continue };
            let secret = key.ends_with(".key") || key.ends_with(".url") || key.ends_with(".relay");
            let shown = if secret && !value.is_empty() { "(set)" } else { value.as_str() };
            let origin = match origin {
                Origin::Default => "default",
                Origin::File => "file",
                Origin::Environment => "environment",
                Origin::CommandLine => "command line",
            };
            text.push_str(&format!("# {help} ({origin})\n{key} = {shown:?}\n"));
        }
        text
    }
}

fn flatten(table: toml::Table) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => {
                found
                    .extend(flatten(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            toml::Value::String(text) => found.push((key, text)),
            toml::Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| item.as_str().unwrap_or_default()).collect();
                found.push((key, items.join(",")));
            }
            toml::Value::Boolean(truth) => found.push((key, truth.to_string())),
            toml::Value::Integer(number) => found.push((key, number.to_string())),
            toml::Value::Float(number) => found.push((key, number.to_string())),
            toml::Value::Datetime(time) => found.push((key, time.to_string())),
        }
    }
    found
}

fn nearest(name: &str, known: impl Iterator<Item = String>) -> String {
    known.min_by_key(|candidate| strsim::damerau_levenshtein(name, candidate)).unwrap_or_default()
}
