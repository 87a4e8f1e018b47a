//! Click to call: how a user's telephone and a number are written for a telephone system, and what is ordered from it.
//! Called by rpc/start_call.rs; the order is carried out by connectors/dialler.rs.

use std::time::Duration;

use kontor_kit::{Error, Result, id};
use serde::{Deserialize, Serialize};

use super::number::{NumberRules, Party, PhoneNumber};

/// Begin of the ids that we give to calls of an Asterisk; its own have none of these letters.
pub const OURS: &str = "kontor-";
/// How long an order waits for the telephone system, in microseconds. Nobody wants to be rung up long after the click.
pub const PATIENCE_MICROS: i64 = 10_000_000;
/// How long the user's telephone rings unless configured.
const RING: Duration = Duration::from_secs(30);
/// Shortest and longest ringing, in milliseconds.
const RING_MILLIS: std::ops::RangeInclusive<i64> = 5_000..=120_000;

/// How a telephone system makes calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// A user's telephone with `{extension}` or `{user}` in it; empty when it makes no calls.
    #[serde(default)]
    pub device: String,
    /// Dial plan context.
    #[serde(default)]
    pub context: String,
    /// Caller id of the user's telephone, or empty.
    #[serde(default)]
    pub caller_id: String,
    /// How long the user's telephone rings; 0 for the usual time.
    #[serde(default)]
    pub ring_millis: i64,
    /// How outside numbers are written.
    #[serde(default)]
    pub form: Form,
    /// How a dialler of call lists reaches a number, with `{number}` in it; empty when it dials no lists.
    #[serde(default)]
    pub list_device: String,
    /// Where whoever answers a dialler waits for an operator.
    #[serde(default)]
    pub wait_extension: String,
    /// Caller id of calls of a dialler, or empty.
    #[serde(default)]
    pub list_caller_id: String,
    /// How a dialler writes outside numbers; as `form` when none.
    #[serde(default)]
    pub list_form: Option<Form>,
}

/// How an outside number is written when it is dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As people dial it in the connector's country.
    #[default]
    National,
    /// With country code and plus.
    E164,
    /// With country code, digits only.
    Digits,
}

/// A call as it is ordered: the telephone system rings the device and, once taken, goes on in the dial plan. A click to call rings the user first and dials the partner then; a
/// dialler rings who is called first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originate {
    /// Our id of it. It becomes the id of the call (Asterisk: ActionID and ChannelId), so that asking twice calls once.
    pub id: String,
    /// The user's device, such as `PJSIP/alice`.
    pub channel: String,
    /// The dial plan context in which the partner's number is dialled, such as `internal`.
    pub context: String,
    /// What is dialled there, with the outside-line prefix where one is needed.
    pub exten: String,
    /// What the user's telephone shows.
    pub caller_id: Option<String>,
    /// How long the user's telephone rings.
    pub ring: Duration,
}

impl Settings {
    /// Whether the connector makes calls.
    pub fn can_dial(&self) -> bool {
        !self.device.is_empty()
    }

    /// Whether lists can be dialled over the connector.
    pub fn can_dial_lists(&self) -> bool {
        self.can_dial() && !self.list_device.is_empty()
    }

    /// How long the user's telephone rings.
    pub fn ring(&self) -> Duration {
        if self.ring_millis == 0 { RING } else { Duration::from_millis(self.ring_millis.unsigned_abs()) }
    }

    /// Checks all values.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        let wrong =
            |field: &str, message: &str| Err(Error::invalid(format!("connector.dial.{field}"), message));
        if !self.can_dial() {
            return if *self == Settings::default() {
                Ok(())
            } else {
                wrong(
                    "device",
                    "it is missing: say how a user's telephone is dialled, like \"PJSIP/{extension}\"",
                )
            };
        }
        let device = self.device.replace("{extension}", "").replace("{user}", "");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/@.:_-+*#;=".contains(&byte);
        if self.device.len() > 200 || !device.bytes().all(plain) {
            return wrong(
                "device",
                "use at most 200 of letters, digits and /@.:_-+*#;= beside {extension} and {user}",
            );
        }
        if device.len() == self.device.len() {
            return wrong("device", "it is the same for all users: put {extension} or {user} into it");
        }
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=80).contains(&self.context.len()) || !self.context.bytes().all(word) {
            return wrong(
                "context",
                "give the dial plan context: 1 to 80 of letters, digits, \"-\", \"_\", \".\"",
            );
        }
        let odd = |it: char| it.is_control() || "\"'`,;\\|{}[]$^".contains(it);
        let shown = self.caller_id.replace("{number}", "").replace("{extension}", "");
        if self.caller_id.chars().count() > 80 || shown.chars().any(odd) {
            return wrong(
                "caller_id",
                "use at most 80 characters on one line, without quotes, commas and brackets",
            );
        }
        if self.ring_millis != 0 && !RING_MILLIS.contains(&self.ring_millis) {
            return wrong("ring_timeout", "a telephone rings from 5 s to 120 s");
        }
        self.check_lists().map_or_else(|(field, message)| wrong(field, message), Ok)
    }

    /// Checks how lists are dialled: the field and what is wrong with it.
    fn check_lists(&self) -> std::result::Result<(), (&'static str, &'static str)> {
        if self.list_device.is_empty() {
            let none = self.wait_extension.is_empty() && self.list_caller_id.is_empty();
            let missing = "it is missing: say how a number is reached, like \"PJSIP/{number}@carrier\"";
            return if none { Ok(()) } else { Err(("list_device", missing)) };
        }
        let device = self.list_device.replacen("{number}", "", 1);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/@.:_-+*#;=".contains(&byte);
        if self.list_device.len() > 200 || !device.bytes().all(plain) || device == self.list_device {
            let message = "use at most 200 of letters, digits and /@.:_-+*#;=, with {number} in it once";
            return Err(("list_device", message));
        }
        if device.get(..6).is_some_and(|begin| begin.eq_ignore_ascii_case("local/")) {
            let message = "it is a channel of the dial plan, which answers by itself: name the trunk, like \"PJSIP/{number}@carrier\"";
            return Err(("list_device", message));
        }
        let exten = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*#".contains(&byte);
        if !(1..=40).contains(&self.wait_extension.len()) || !self.wait_extension.bytes().all(exten) {
            let message = "say where who answers waits for a moment: 1 to 40 of letters, digits, \"-\", \"_\", \".\", \"*\", \"#\"";
            return Err(("wait_extension", message));
        }
        let odd = |it: char| it.is_control() || "\"'`,;\\|{}[]$^".contains(it);
        if self.list_caller_id.chars().count() > 80 || self.list_caller_id.chars().any(odd) {
            let message = "use at most 80 characters on one line, without quotes, commas and brackets";
            return Err(("list_caller_id", message));
        }
        Ok(())
    }

    /// What is ordered when a dialler calls a number of a list: the number is rung first, and whoever answers waits.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `number` when it cannot be dialled.
    pub fn outside_first(
        &self,
        id: &str,
        to: &Party,
        rules: &NumberRules,
        ring: Duration,
    ) -> Result<Originate> {
        let Party::Number(number) = to else {
            return Err(Error::invalid("number", format!("{:?} is no outside number", to.raw())));
        };
        let written = written(self.list_form.unwrap_or(self.form), number, rules);
        Ok(Originate {
            id: id.to_owned(),
            channel: self.list_device.replace("{number}", &written),
            context: self.context.clone(),
            exten: self.wait_extension.clone(),
            caller_id: Some(self.list_caller_id.clone()).filter(|text| !text.is_empty()),
            ring,
        })
    }

    /// What is ordered when the user of this extension calls that party, under an id of ours.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming `number` when it cannot be dialled; FAILED_PRECONDITION for an extension that is none.
    pub fn originate(
        &self,
        id: &str,
        user: &str,
        extension: &str,
        to: &Party,
        rules: &NumberRules,
    ) -> Result<Originate> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+*#@".contains(&byte);
        if extension.is_empty() || !extension.bytes().all(plain) {
            let message =
                format!("users/{user} has no extension to ring: set User.extension in the directory");
            return Err(Error::precondition("NO_EXTENSION", message));
        }
        let exten = self.dialled(to, rules)?;
        let fill = |text: &str| {
            text.replace("{extension}", extension).replace("{user}", user).replace("{number}", &exten)
        };
        let caller_id = Some(fill(&self.caller_id)).filter(|text| !text.is_empty());
        Ok(Originate {
            id: id.to_owned(),
            channel: fill(&self.device),
            context: self.context.clone(),
            caller_id,
            ring: self.ring(),
            exten,
        })
    }

    fn dialled(&self, to: &Party, rules: &NumberRules) -> Result<String> {
        let number = match to {
            Party::Internal(extension) => return Ok(extension.clone()),
            Party::Number(number) => number,
            Party::Unknown(text) => {
                return Err(Error::invalid("number", format!("{text:?} is not a telephone number")));
            }
        };
        Ok(format!("{}{}", rules.outside_prefix, written(self.form, number, rules)))
    }
}

fn written(form: Form, number: &PhoneNumber, rules: &NumberRules) -> String {
    match form {
        Form::National => number.from_region(rules.region),
        Form::E164 => number.e164().to_owned(),
        Form::Digits => number.e164().trim_start_matches('+').to_owned(),
    }
}

/// A new id for a call of ours: what an Asterisk takes as ChannelId, or a bare UUID for a system that wants one.
pub fn new_id(bare: bool) -> String {
    if bare { id::new() } else { format!("{OURS}{}", id::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::number::Region;

    fn settings() -> Settings {
        Settings {
            device: "PJSIP/{extension}".into(),
            context: "internal".into(),
            caller_id: "Kontor <{number}>".into(),
            ..Settings::default()
        }
    }

    fn rules() -> NumberRules {
        let region = Region::parse("FR").expect("France is a region");
        NumberRules { region, outside_prefix: "9".into(), internal_digits: 3 }
    }

    fn dialled(form: Form, number: &str) -> String {
        let party = rules().caller(number).expect("a number");
        let order = Settings { form, ..settings() }.originate("kontor-1", "sales", "101", &party, &rules());
        order.expect("it can be dialled").exten
    }

    #[test]
    fn numbers_are_written_as_the_telephone_system_dials_them() {
        for number in ["01 45 55 98 76", "+33 1 45 55 98 76", "0033145559876"] {
            assert_eq!(dialled(Form::National, number), "90145559876");
            assert_eq!(dialled(Form::E164, number), "9+33145559876");
            assert_eq!(dialled(Form::Digits, number), "933145559876");
        }
        assert_eq!(dialled(Form::National, "+49 30 123456"), "9004930123456");
        let of_list = |list_form| {
            let list_device = "PJSIP/{number}@carrier".to_owned();
            let own = Settings { form: Form::Digits, list_form, list_device, ..settings() };
            let party = rules().caller("01 45 55 98 76").expect("a number");
            own.outside_first("kontor-1", &party, &rules(), RING).expect("it can be dialled").channel
        };
        assert_eq!(of_list(Some(Form::E164)), "PJSIP/+33145559876@carrier");
        assert_eq!(of_list(None), "PJSIP/33145559876@carrier", "as for click to call");
        assert_eq!(dialled(Form::National, "+1 212 555 0100"), "90012125550100");
        assert_eq!(dialled(Form::National, "102"), "102", "an extension needs no outside line");
        assert_eq!(dialled(Form::National, "01 45 55 98 76 ext. 12"), "90145559876");
    }

    #[test]
    fn the_telephone_is_that_of_the_user() {
        let party = rules().caller("0145559876").expect("a number");
        let order = settings().originate("kontor-1", "sales", "101", &party, &rules()).expect("an order");
        assert_eq!((order.channel.as_str(), order.context.as_str()), ("PJSIP/101", "internal"));
        assert_eq!(order.caller_id.as_deref(), Some("Kontor <90145559876>"));
        assert_eq!(order.ring, Duration::from_secs(30));
        let by_user = Settings { device: "user/{user}@home".into(), ..settings() };
        let order = by_user.originate("kontor-1", "sales", "101", &party, &rules()).expect("an order");
        assert_eq!(order.channel, "user/sales@home");
        for extension in ["", "10 1", "101,Exten", "101\r\nAction: x"] {
            let refused = settings().originate("1", "sales", extension, &party, &rules());
            assert_eq!(refused.expect_err(extension).reason(), "NO_EXTENSION");
        }
        let unknown = Party::Unknown("anonymous".into());
        let refused = settings().originate("1", "sales", "101", &unknown, &rules()).expect_err("no number");
        assert_eq!(refused.field(), Some("number"));
    }

    #[test]
    fn wrong_settings_are_named() {
        assert!(settings().check().is_ok() && Settings::default().check().is_ok());
        type Change = fn(&mut Settings);
        let changes: [(&str, Change); 15] = [
            ("device", |it| it.device.clear()),
            ("device", |it| it.device = "PJSIP/alice".into()),
            ("device", |it| it.device = "PJSIP/{extension}\r\nAction: x".into()),
            ("device", |it| it.device = "{a=b}user/{extension}".into()),
            ("context", |it| it.context.clear()),
            ("context", |it| it.context = "in ternal".into()),
            ("caller_id", |it| it.caller_id = "a\nb".into()),
            ("caller_id", |it| it.caller_id = "${system}".into()),
            ("ring_timeout", |it| it.ring_millis = 4_999),
            ("list_device", |it| it.list_device = "PJSIP/carrier".into()),
            ("list_device", |it| it.list_device = "PJSIP/{number}@carrier\r\nAction: x".into()),
            ("list_device", |it| it.list_device = "local/{number}@out".into()),
            ("list_device", |it| it.wait_extension = "wait".into()),
            ("wait_extension", |it| it.list_device = "PJSIP/{number}@carrier".into()),
            ("list_caller_id", |it| {
                it.list_device = "PJSIP/{number}@carrier".into();
                it.wait_extension = "wait".into();
                it.list_caller_id = "a\nb".into();
            }),
        ];
        for (field, change) in changes {
            let mut wrong = settings();
            change(&mut wrong);
            let refused = wrong.check().expect_err(field);
            assert_eq!(refused.field(), Some(&*format!("connector.dial.{field}")), "{wrong:?}");
        }
    }
}
