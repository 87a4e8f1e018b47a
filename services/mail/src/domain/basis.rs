//! Who may get a mailing, by what a partner says of its purpose.
//! Called by the sender, the check and the preview.

/// On what basis somebody gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Only with consent.
    Consent = 1,
    /// Everybody who did not withdraw it.
    NotWithdrawn = 2,
}

/// What a partner says of a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Nothing; or it is a bare address.
    None,
    /// Yes.
    Granted,
    /// No, or not any more.
    Withdrawn,
}

impl Basis {
    /// Why somebody does not get it; none when it does.
    pub fn obstacle(self, consent: Consent, purpose: &str) -> Option<String> {
        match (self, consent) {
            (_, Consent::Withdrawn) => Some(format!("the consent to {purpose} was withdrawn")),
            (Basis::Consent, Consent::None) => Some(format!("there is no consent to {purpose}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_asked_as_the_basis_says() {
        let may = |basis: Basis, consent| basis.obstacle(consent, "mailings").is_none();
        assert!(may(Basis::Consent, Consent::Granted) && may(Basis::NotWithdrawn, Consent::Granted));
        assert!(!may(Basis::Consent, Consent::None) && may(Basis::NotWithdrawn, Consent::None));
        assert!(!may(Basis::Consent, Consent::Withdrawn) && !may(Basis::NotWithdrawn, Consent::Withdrawn));
    }
}
