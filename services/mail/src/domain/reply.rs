//! What a relay's reply means: for the recipient, for its domain, for all messages of this sender, or for the relay itself.
//! Called by the sender after each try.

/// Where in the conversation it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before any message: connecting, greeting, TLS, signing in.
    Connection,
    /// MAIL FROM: about the sender.
    Sender,
    /// RCPT TO: about the recipient.
    Recipient,
    /// DATA, or behind the message: about the content.
    Content,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The relay can't be used for now: nothing is said about this message. Wait, then try again.
    RelayDown,
    /// The relay takes nothing from this sender: the mailing is paused.
    SenderRefused,
    /// Later, and less to this domain.
    SlowDomain,
    /// This recipient later.
    Later,
    /// There is no such address.
    NoSuchAddress,
    /// Refused for good, and nothing is said about the address.
    Refused,
}

/// Reads a reply. `code` is 0 when there was none: the connection broke.
pub fn judge(stage: Stage, code: i32, words: &str) -> Verdict {
    let enhanced = enhanced(words);
    match (stage, code) {
        (Stage::Connection, _) | (_, 421) if stage != Stage::Recipient => Verdict::RelayDown,
        (Stage::Sender, 500..=599) => Verdict::SenderRefused,
        (Stage::Sender, _) => Verdict::RelayDown,
        // What broke in the middle, or is no reply at all.
        (_, code) if !(400..=599).contains(&code) => Verdict::RelayDown,
        (_, 400..=499) => match enhanced {
            // The mailbox is full or busy: not the domain's doing.
            Some((4, 2, _)) => Verdict::Later,
            Some((4, 7, _)) => Verdict::SlowDomain,
            _ if [421, 450, 451, 452].contains(&code) => Verdict::SlowDomain,
            _ => Verdict::Later,
        },
        (Stage::Recipient, _) => match enhanced {
            // 5.1.7 and 5.1.8 are about the sender's address.
            Some((5, 1, detail)) if ![7, 8].contains(&detail) => Verdict::NoSuchAddress,
            _ => Verdict::Refused,
        },
        _ => Verdict::Refused,
    }
}

/// The enhanced status code (RFC 3463) that the words begin with: "5.1.1 no such user".
fn enhanced(words: &str) -> Option<(u16, u16, u16)> {
    let first = words.split_whitespace().next()?;
    if first.len() > 9 {
        return None;
    }
    let mut parts = first.split('.').map(|part| part.parse::<u16>().ok());
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Some(class)), Some(Some(subject)), Some(Some(detail)), None) => Some((class, subject, detail)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_about_an_address_only_when_it_says_so() {
        use Stage::{Connection, Content, Recipient, Sender};
        for (stage, code, words, verdict) in [
            (Recipient, 550, "5.1.1 <x@example.com> no such user", Verdict::NoSuchAddress),
            (Recipient, 553, "5.1.3 bad address", Verdict::NoSuchAddress),
            (Recipient, 550, "5.7.1 listed by a blocklist", Verdict::Refused),
            (Recipient, 550, "5.1.8 bad sender", Verdict::Refused),
            (Recipient, 550, "no such user", Verdict::Refused),
            (Recipient, 552, "5.2.2 mailbox full", Verdict::Refused),
            (Recipient, 450, "4.2.1 mailbox busy", Verdict::Later),
            (Recipient, 451, "4.7.1 greylisted", Verdict::SlowDomain),
            (Recipient, 421, "4.7.0 too many", Verdict::SlowDomain),
            (Recipient, 452, "", Verdict::SlowDomain),
            (Recipient, 454, "4.3.0 later", Verdict::Later),
            (Recipient, 0, "", Verdict::RelayDown),
            (Content, 554, "5.7.1 spam", Verdict::Refused),
            (Content, 550, "5.1.1 x", Verdict::Refused),
            (Content, 451, "4.7.0 slow down", Verdict::SlowDomain),
            (Content, 421, "4.3.2 shutting down", Verdict::RelayDown),
            (Content, 0, "", Verdict::RelayDown),
            (Sender, 550, "5.7.1 not you", Verdict::SenderRefused),
            (Sender, 451, "4.7.1", Verdict::RelayDown),
            (Sender, 421, "", Verdict::RelayDown),
            (Connection, 554, "5.7.0 go away", Verdict::RelayDown),
            (Connection, 0, "", Verdict::RelayDown),
        ] {
            assert_eq!(judge(stage, code, words), verdict, "{stage:?} {code} {words}");
        }
    }
}
