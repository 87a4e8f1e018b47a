//! Settings of telephone systems that make calls, between protobuf and domain: FreeSWITCH, and how calls are made.
//! Called by rpc/connector.rs.

use kontor_kit::{Error, Result};
use kontor_proto::telephony::v1 as proto;
use kontor_proto::telephony::v1::NumberForm;

use super::asterisk;
use crate::domain::connector::FreeSwitch;
use crate::domain::dial::{Form, Settings};

/// The settings of a new FreeSWITCH.
pub(super) fn new(given: proto::FreeSwitchSettings) -> FreeSwitch {
    FreeSwitch {
        host: given.host,
        port: given.port,
        password: given.password,
        trunk_prefixes: given.trunk_prefixes,
        trunk_contexts: given.trunk_contexts,
        post_secret: given.post_secret,
        tls: given.tls.map(asterisk::tls),
    }
}

/// Takes the named settings over. An empty secret keeps the one there is: nobody can read it to send it back.
pub(super) fn apply(
    takes: impl Fn(&str, &str) -> bool,
    from: &proto::FreeSwitchSettings,
    to: &mut FreeSwitch,
) {
    if takes("freeswitch", "host") {
        to.host.clone_from(&from.host);
    }
    if takes("freeswitch", "port") {
        to.port = from.port;
    }
    if takes("freeswitch", "password") && !from.password.is_empty() {
        to.password.clone_from(&from.password);
    }
    if takes("freeswitch", "trunk_prefixes") {
        to.trunk_prefixes.clone_from(&from.trunk_prefixes);
    }
    if takes("freeswitch", "trunk_contexts") {
        to.trunk_contexts.clone_from(&from.trunk_contexts);
    }
    if takes("freeswitch", "post_secret") && !from.post_secret.is_empty() {
        to.post_secret.clone_from(&from.post_secret);
    }
    asterisk::apply_tls(|part| takes("freeswitch", part), from.tls.as_ref(), &mut to.tls);
}

/// The settings as administrators see them.
pub(super) fn to_proto(freeswitch: &FreeSwitch) -> proto::FreeSwitchSettings {
    proto::FreeSwitchSettings {
        host: freeswitch.host.clone(),
        port: freeswitch.port,
        password: String::new(),
        trunk_prefixes: freeswitch.trunk_prefixes.clone(),
        trunk_contexts: freeswitch.trunk_contexts.clone(),
        post_secret: String::new(),
        tls: freeswitch.tls.as_ref().map(asterisk::tls_to_proto),
    }
}

/// How a new connector makes calls.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub(super) fn dial(given: Option<&proto::DialSettings>) -> Result<Settings> {
    let mut settings = Settings::default();
    apply_dial(|_, _| true, given, &mut settings)?;
    Ok(settings)
}

/// Takes the named settings over. `dial` in the mask without settings in the message: no more calls are made.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub(super) fn apply_dial(
    takes: impl Fn(&str, &str) -> bool,
    from: Option<&proto::DialSettings>,
    to: &mut Settings,
) -> Result<()> {
    let none = proto::DialSettings::default();
    let from = from.unwrap_or(&none);
    if takes("dial", "device") {
        to.device.clone_from(&from.device);
    }
    if takes("dial", "context") {
        to.context.clone_from(&from.context);
    }
    if takes("dial", "caller_id") {
        to.caller_id.clone_from(&from.caller_id);
    }
    if takes("dial", "list_device") {
        to.list_device.clone_from(&from.list_device);
    }
    if takes("dial", "wait_extension") {
        to.wait_extension.clone_from(&from.wait_extension);
    }
    if takes("dial", "list_caller_id") {
        to.list_caller_id.clone_from(&from.list_caller_id);
    }
    if takes("dial", "ring_timeout") {
        to.ring_millis = millis(from.ring_timeout.as_ref())?;
    }
    if takes("dial", "number_form") {
        to.form = form(from.number_form, "number_form")?.unwrap_or_default();
    }
    if takes("dial", "list_number_form") {
        to.list_form = form(from.list_number_form, "list_number_form")?;
    }
    Ok(())
}

/// The form of numbers; none when it is not said.
fn form(number: i32, field: &str) -> Result<Option<Form>> {
    match NumberForm::try_from(number) {
        Ok(NumberForm::Unspecified) => Ok(None),
        Ok(NumberForm::National) => Ok(Some(Form::National)),
        Ok(NumberForm::E164) => Ok(Some(Form::E164)),
        Ok(NumberForm::Digits) => Ok(Some(Form::Digits)),
        Err(_) => {
            let message = format!("{number} is not one of its values");
            Err(Error::invalid(format!("connector.dial.{field}"), message))
        }
    }
}

fn millis(time: Option<&prost_types::Duration>) -> Result<i64> {
    let Some(time) = time else { return Ok(0) };
    let millis = i64::from(time.nanos) / 1_000_000;
    let whole = time.nanos % 1_000_000 == 0;
    let millis = time.seconds.checked_mul(1_000).and_then(|seconds| seconds.checked_add(millis));
    let known = millis.filter(|millis| whole && *millis > 0);
    known.ok_or_else(|| Error::invalid("connector.dial.ring_timeout", "a telephone rings from 5 s to 120 s"))
}

/// How calls are made, as administrators see it; none when none are.
pub(super) fn dial_to_proto(settings: &Settings) -> Option<proto::DialSettings> {
    if !settings.can_dial() {
        return None;
    }
    let shown = |form| match form {
        Form::National => NumberForm::National,
        Form::E164 => NumberForm::E164,
        Form::Digits => NumberForm::Digits,
    };
    let ring = settings.ring();
    let ring_timeout = prost_types::Duration {
        seconds: i64::try_from(ring.as_secs()).unwrap_or(0),
        nanos: i32::try_from(ring.subsec_nanos()).unwrap_or(0),
    };
    Some(proto::DialSettings {
        device: settings.device.clone(),
        context: settings.context.clone(),
        caller_id: settings.caller_id.clone(),
        ring_timeout: Some(ring_timeout),
        number_form: shown(settings.form).into(),
        list_device: settings.list_device.clone(),
        wait_extension: settings.wait_extension.clone(),
        list_caller_id: settings.list_caller_id.clone(),
        list_number_form: settings.list_form.map_or(NumberForm::Unspecified, shown).into(),
    })
}
