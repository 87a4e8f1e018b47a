//! Time zones of telephone numbers, by the longest beginning that a table of ours knows; several where a number may be in each of them.
//! Called by the import, which keeps them with the entry, and by hours.rs.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::tz::TimeZone;

/// Between zones.
const SEPARATOR: char = ',';

/// By the beginning of numbers, without "+".
static TABLE: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = include_str!("zones.txt").lines().filter(|line| !line.starts_with('#'));
    let entries = lines.filter_map(|line| line.split_once(' '));
    entries.flat_map(|(zones, starts)| starts.split(' ').map(move |start| (start, zones))).collect()
});

/// Longest beginning in the table.
const LONGEST: usize = 8;

/// The zones that a number in E.164 may be in: "Europe/Madrid,Atlantic/Canary". `fallback` for numbers of no country, such as satellites.
pub fn of_number<'a>(e164: &str, fallback: &'a str) -> &'a str {
    let digits = e164.strip_prefix('+').unwrap_or(e164);
    let lengths = (1..=LONGEST.min(digits.len())).rev();
    lengths.filter_map(|length| digits.get(..length)).find_map(|start| TABLE.get(start)).unwrap_or(&fallback)
}

/// A short key of a text of zones, the same in every process and version: 64 bits of FNV-1a.
pub fn key(zones: &str) -> i64 {
    let hash = zones.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::from_ne_bytes(hash.to_ne_bytes())
}

/// Names of zones in a text.
pub fn names(zones: &str) -> impl Iterator<Item = &str> {
    zones.split(SEPARATOR).filter(|name| !name.is_empty())
}

/// The zones of a text. One that is not known on this machine is UTC.
pub fn read(zones: &str) -> Vec<TimeZone> {
    names(zones).map(|name| TimeZone::get(name).unwrap_or(TimeZone::UTC)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(e164: &str) -> &str {
        of_number(e164, "UTC")
    }

    #[test]
    fn longest_beginning_counts() {
        assert_eq!(of("+32475123456"), "Europe/Brussels");
        assert_eq!(of("+34928123456"), "Atlantic/Canary");
        assert_eq!(of("+34915550000"), "Europe/Madrid");
        assert_eq!(of("+12125550100"), "America/New_York");
        assert_eq!(of("+13105550100"), "America/Los_Angeles");
        assert_eq!(of("+18505550100"), "America/New_York,America/Chicago");
    }

    #[test]
    fn mobiles_of_a_wide_country_may_be_anywhere_in_it() {
        assert_eq!(names(of("+61412345678")).count(), 5);
        assert!(of("+61412345678").contains("Australia/Perth"));
        assert_eq!(names(of("+79161234567")).count(), 11);
    }

    #[test]
    fn numbers_of_no_country_take_the_fallback() {
        assert_eq!(of("+8835100123456"), "UTC");
        assert_eq!(of(""), "UTC");
    }

    #[test]
    fn every_line_names_zones_and_beginnings_that_exist() {
        for (start, zones) in TABLE.iter() {
            assert!(start.len() <= LONGEST && start.bytes().all(|byte| byte.is_ascii_digit()), "{start}");
            for zone in names(zones) {
                assert!(TimeZone::get(zone).is_ok(), "{zone} of {start}");
            }
        }
        let starts: Vec<&str> = include_str!("zones.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(|line| line.split(' ').skip(1))
            .collect();
        assert_eq!(starts.len(), TABLE.len(), "a beginning stands twice");
    }

    #[test]
    fn keys_differ_and_stay() {
        let mut keys: Vec<i64> = TABLE.values().map(|zones| key(zones)).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut texts: Vec<&str> = TABLE.values().copied().collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(keys.len(), texts.len());
        // kept in rows: it may not change between versions
        assert_eq!(key("Europe/Brussels"), 1_674_413_503_965_714_801);
    }
}
