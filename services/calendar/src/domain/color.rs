//! The colour of a user who has chosen none.
//! Called by the lists of occurrences and calendars.

/// Colours that differ from each other and are readable under white text.
const COLORS: [&str; 16] = [
    "#C0392B", "#2471A3", "#1E8449", "#B9770E", "#7D3C98", "#117A65", "#A04000", "#2E4053", "#AD1457",
    "#00695C", "#4527A0", "#558B2F", "#6D4C41", "#0277BD", "#9E9D24", "#D84315",
];

/// Always the same colour for the same login name (FNV-1a, so that it never changes with the program).
pub fn of_login(login: &str) -> &'static str {
    let hash = login.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    COLORS[usize::try_from(hash % COLORS.len() as u64).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::of_login;

    #[test]
    fn a_login_keeps_its_colour_and_the_demo_users_differ() {
        let users = ["manager", "sales", "operator", "admin"].map(of_login);
        assert_eq!(users, ["manager", "sales", "operator", "admin"].map(of_login));
        let distinct: std::collections::HashSet<_> = users.iter().collect();
        assert_eq!(distinct.len(), users.len());
    }
}
