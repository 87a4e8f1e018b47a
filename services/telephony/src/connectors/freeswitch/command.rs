//! Commands: what we ask of a FreeSWITCH, and how it is written on the wire.
//! Made by [`super::line`].

use crate::domain::dial::Originate;

/// The bytes of a command line with its headers.
///
/// # Errors
/// Words, when a value has a line break or another control character in it.
pub(super) fn line(command: &str, headers: &[(&str, &str)]) -> Result<Vec<u8>, String> {
    let mut text = command.to_owned();
    for (key, value) in headers {
        text.push_str(&format!("\n{key}: {value}"));
    }
    let values = headers.iter().map(|(_, value)| *value).chain([command]);
    if values.into_iter().any(|value| value.chars().any(char::is_control) || value.len() > 2_000) {
        return Err("a value has a control character or more than 2000 bytes".to_owned());
    }
    text.push_str("\n\n");
    Ok(text.into_bytes())
}

/// The click to call: the user's telephone is rung under our id, and what it then dials is told by the dial plan.
///
/// # Errors
/// Words, when a value would be read as more than a value.
pub(super) fn originate(order: &Originate) -> Result<Vec<u8>, String> {
    let odd = |text: &str| text.contains(['\'', ',', '{', '}', '\\', '"', '|', '$', '^', '[', ']', '<', '>']);
    let words = [&order.id, &order.channel, &order.exten, &order.context];
    if let Some(word) = words.into_iter().find(|word| word.contains(' ') || word.is_empty() || odd(word)) {
        return Err(format!("{word:?} cannot be a word of an originate"));
    }
    let mut variables = format!(
        "origination_uuid={},originate_timeout={},ignore_early_media=true",
        order.id,
        order.ring.as_secs().max(1)
    );
    if let Some(caller_id) = &order.caller_id {
        let (name, number) = caller_id.split_once('<').unwrap_or((caller_id.as_str(), ""));
        let (name, number) = (name.trim(), number.trim_end_matches('>').trim());
        if odd(name) || odd(number) {
            return Err(format!("{caller_id:?} cannot be a caller id"));
        }
        if !name.is_empty() {
            variables.push_str(&format!(",origination_caller_id_name='{name}'"));
        }
        if !number.is_empty() {
            variables.push_str(&format!(",origination_caller_id_number='{number}'"));
        }
    }
    let command =
        format!("bgapi originate {{{variables}}}{} {} XML {}", order.channel, order.exten, order.context);
    line(&command, &[("Job-UUID", &order.id)])
}

/// Sends a channel on to an extension of the dial plan.
///
/// # Errors
/// Words, when a value would be read as more than a value.
pub(super) fn transfer(channel: &str, context: &str, exten: &str) -> Result<Vec<u8>, String> {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_.+*#@".contains(it);
    match [channel, context, exten].into_iter().find(|word| word.is_empty() || !word.chars().all(plain)) {
        Some(word) => Err(format!("{word:?} cannot be a word of a transfer")),
        None => line(&format!("api uuid_transfer {channel} {exten} XML {context}"), &[]),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn order() -> Originate {
        Originate {
            id: "0199-a".into(),
            channel: "user/101".into(),
            context: "default".into(),
            exten: "90145559876".into(),
            caller_id: Some("Kontor <90145559876>".into()),
            ring: Duration::from_secs(30),
        }
    }

    #[test]
    fn originate_is_one_line_with_our_id_as_channel_and_as_job() {
        let text = originate(&order()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let wanted = "bgapi originate {origination_uuid=0199-a,originate_timeout=30,ignore_early_media=true,\
            origination_caller_id_name='Kontor',origination_caller_id_number='90145559876'}user/101 90145559876 XML default\nJob-UUID: 0199-a\n\n";
        assert_eq!(text, Ok(wanted.to_owned()));
    }

    #[test]
    fn nothing_is_smuggled_in() {
        for text in ["101\n\napi shutdown", "101 &park()", "101,a=b", "{a=b}101", "${x}", ""] {
            assert!(originate(&Originate { exten: text.into(), ..order() }).is_err(), "{text:?}");
            assert!(originate(&Originate { channel: text.into(), ..order() }).is_err(), "{text:?}");
        }
        for text in ["a' ,b=c", "a\nb", "x <1,2>"] {
            assert!(originate(&Originate { caller_id: Some(text.into()), ..order() }).is_err(), "{text:?}");
        }
        let sent =
            transfer("0199-a", "default", "101").map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(sent, Ok("api uuid_transfer 0199-a 101 XML default\n\n".to_owned()));
        for exten in ["", "101 XML x", "101\n\napi shutdown"] {
            assert!(transfer("0199-a", "default", exten).is_err(), "{exten:?}");
        }
        assert!(line("auth a\nb", &[]).is_err() && line("api x", &[("Job-UUID", "1\n\n")]).is_err());
    }
}
