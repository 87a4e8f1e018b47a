//! What partners have beyond their cards: the link to a company, and which of several matches is the one.
//! Called by store/partner.rs and rpc/partner.rs.

use kontor_kit::{Error, Result, id};

/// Checks the link of a person to its company: empty, or "partners/{id}" of another one.
///
/// # Errors
/// INVALID_ARGUMENT naming `partner.company`.
pub fn check_company(company: &str, partner: &str) -> Result<()> {
    if company.is_empty() {
        return Ok(());
    }
    let of = id::parse("partners", company, "partner.company")?;
    if of == partner {
        return Err(Error::invalid("partner.company", "a partner is not its own company"));
    }
    Ok(())
}
