//! Which form of a word belongs to a count, by CLDR's rules of cardinals.
//! Called by the filter `plural`.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::locale::{Language, Locale};

/// The forms that a language may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// 1 letter
    One,
    /// Polish: 2 to 4
    Few,
    /// Polish: 5 and more; Romance languages: whole millions
    Many,
    /// All else
    Other,
}

/// The form for a count.
pub fn form(count: Decimal, locale: Locale) -> Form {
    let whole = count.abs().trunc();
    // Trailing zeros do not count: Word and LibreOffice give 1.00 for 1.
    let is_whole = count.fract().is_zero();
    let is_one = whole == Decimal::ONE && is_whole;
    let millions = is_whole && !whole.is_zero() && (whole % Decimal::from(1_000_000)).is_zero();
    match locale.language() {
        Language::French if whole <= Decimal::ONE => Form::One,
        Language::French | Language::Italian | Language::Spanish if millions => Form::Many,
        Language::Polish if !is_one => polish(whole, is_whole),
        Language::French => Form::Other,
        _ if is_one => Form::One,
        _ => Form::Other,
    }
}

fn polish(whole: Decimal, is_whole: bool) -> Form {
    if !is_whole {
        return Form::Other;
    }
    let last_two = (whole % Decimal::ONE_HUNDRED).to_u32().unwrap_or(0);
    match last_two % 10 {
        2..=4 if !(12..=14).contains(&last_two) => Form::Few,
        _ => Form::Many,
    }
}

/// Chooses among forms given in the order of the language: one, other; in Polish one, few, many, other. With fewer forms the last one serves.
pub fn choose<'a>(count: Decimal, forms: &[&'a str], locale: Locale) -> &'a str {
    let at = match (form(count, locale), locale.language()) {
        (Form::One, _) => 0,
        (Form::Few, _) => 1,
        (Form::Many, Language::Polish) => 2,
        (Form::Other, Language::Polish) => 3,
        (Form::Many | Form::Other, _) => 1,
    };
    forms.get(at).or(forms.last()).copied().unwrap_or_default()
}
