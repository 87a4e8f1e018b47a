//! Static lists: partners by number, and everybody with an address, number or domain that stands in the list.
//! Called by the engine.

use std::collections::BTreeSet;

use roaring::RoaringBitmap;

use crate::domain::facts::Texts;
use crate::domain::facts::columns::Columns;
use crate::domain::facts::columns::bits::Bits;
use crate::domain::facts::columns::cells::Cells;
use crate::domain::facts::columns::table::Table;
use crate::domain::rule::one::Source;

/// Who stands in a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContactList {
    /// Partners by their numbers.
    pub partners: RoaringBitmap,
    /// E-mail addresses in lower case.
    pub addresses: BTreeSet<String>,
    /// Telephone numbers in E.164.
    pub numbers: BTreeSet<String>,
    /// Domains of addresses in lower case, without "@". "acme.be" means "mail.acme.be" too.
    pub domains: BTreeSet<String>,
}

impl ContactList {
    /// Whether a partner stands in it.
    pub(super) fn contains(&self, columns: &Columns, ord: u32) -> bool {
        let partner = columns.partner(ord);
        self.partners.contains(ord)
            || partner.texts(Texts::Emails).into_iter().any(|address| self.has_address(address))
            || partner.texts(Texts::Phones).into_iter().any(|number| self.numbers.contains(number))
    }

    /// All who stand in it.
    pub(super) fn members(&self, columns: &Columns) -> RoaringBitmap {
        let mut bits = Bits::of_bitmap(&self.partners, columns.len());
        if !self.addresses.is_empty() || !self.domains.is_empty() {
            bits.or(&owners(columns, columns.texts(Texts::Emails), |address| self.has_address(address)));
        }
        if !self.numbers.is_empty() {
            bits.or(&owners(columns, columns.texts(Texts::Phones), |number| self.numbers.contains(number)));
        }
        bits.and(columns.present());
        bits.to_bitmap()
    }

    fn has_address(&self, address: &str) -> bool {
        self.addresses.contains(address) || self.has_domain(address)
    }

    fn has_domain(&self, address: &str) -> bool {
        let Some((_, domain)) = address.rsplit_once('@') else {
            return false;
        };
        let parents = domain.match_indices('.').map(|(at, _)| &domain[at + 1..]);
        !self.domains.is_empty()
            && std::iter::once(domain).chain(parents).any(|domain| self.domains.contains(domain))
    }
}

/// The partners one of whose texts passes.
fn owners(columns: &Columns, table: &Table, passes: impl Fn(&str) -> bool) -> Bits {
    let Cells::Text(cells, words) = &table.cells[0] else {
        return Bits::all(columns.len(), false);
    };
    let good: Vec<bool> = words.iter().map(passes).collect();
    Bits::fill(columns.len(), |ord| table.range(ord).any(|row| good[cells.get(row) as usize]))
}
