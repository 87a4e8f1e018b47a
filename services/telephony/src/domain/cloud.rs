//! Cloud telephone systems as connectors: what each needs to check the posts that it sends.
//! Called by domain/connector.rs, the store and rpc/cloud.rs.

use kontor_kit::{Error, Result};

use super::address;

/// Shortest token that is made here, in characters.
const TOKEN_CHARACTERS: usize = 16;

/// A cloud telephone system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Twilio.
    Twilio,
    /// Plivo.
    Plivo,
    /// Vonage.
    Vonage,
    /// 3CX.
    ThreeCx,
}

/// How its posts are checked. It has no `Debug`, so that no secret gets into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Cloud {
    /// Who sends them.
    pub provider: Provider,
    /// Signs the posts; for 3CX it is sent with them.
    pub secret: String,
    /// Address that the provider posts to, or empty. Only of those whose signature covers it.
    pub public_url: String,
}

impl Provider {
    /// All of them.
    pub const ALL: [Provider; 4] = [Provider::Twilio, Provider::Plivo, Provider::Vonage, Provider::ThreeCx];

    /// Its name in the API.
    pub fn field(self) -> &'static str {
        match self {
            Provider::Twilio => "twilio",
            Provider::Plivo => "plivo",
            Provider::Vonage => "vonage",
            Provider::ThreeCx => "threecx",
        }
    }

    /// The field of its secret in the API.
    pub fn secret_field(self) -> &'static str {
        match self {
            Provider::Twilio | Provider::Plivo => "auth_token",
            Provider::Vonage => "signature_secret",
            Provider::ThreeCx => "token",
        }
    }

    /// Number in the database.
    pub fn number(self) -> i64 {
        match self {
            Provider::Twilio => 16,
            Provider::Plivo => 17,
            Provider::Vonage => 18,
            Provider::ThreeCx => 19,
        }
    }

    /// The one with that number in the database.
    pub fn of(number: i64) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| provider.number() == number)
    }

    /// Whether its signature covers the address that it posts to.
    pub fn signs_address(self) -> bool {
        matches!(self, Provider::Twilio | Provider::Plivo)
    }
}

impl Cloud {
    /// Checks all values.
    ///
    /// # Errors
    /// INVALID_ARGUMENT naming the field.
    pub fn check(&self) -> Result<()> {
        let (kind, name) = (self.provider.field(), self.provider.secret_field());
        let field = format!("connector.{kind}.{name}");
        let word = !self.secret.chars().any(|it| it.is_control() || it == ' ');
        let shortest = if self.provider == Provider::ThreeCx { TOKEN_CHARACTERS } else { 8 };
        if !word || !(shortest..=255).contains(&self.secret.len()) {
            let message = format!(
                "use {shortest} to 255 characters without blanks: the secret that its posts are checked with"
            );
            return Err(Error::invalid(field, message));
        }
        if self.public_url.is_empty() {
            return Ok(());
        }
        address::check(&format!("connector.{kind}.public_url"), &self.public_url)
    }
}
