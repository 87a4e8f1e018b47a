//! A style sheet as mail needs it: rules with selectors that can be written into elements, and all else as it is.
//! Called by inline.rs. Media queries, states such as :hover and fonts stay in the style, for the mail programs that know them.

use super::select::Selector;

/// Rules at most.
const RULES: usize = 5_000;

/// A style sheet.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// What can be written into elements, in the order of the source.
    pub(super) rules: Vec<Rule>,
    /// What stays.
    pub(super) rest: String,
}

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    /// One of them must match.
    pub(super) selectors: Vec<Selector>,
    /// What it says.
    pub(super) declarations: Vec<Declaration>,
}

/// "color: red !important".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declaration {
    /// In small letters.
    pub(super) property: String,
    /// Without "!important".
    pub(super) value: String,
    /// Beats others.
    pub(super) important: bool,
}

/// Reads a style sheet into what was read before. Says what can't be taken.
pub(super) fn read(source: &str, sheet: &mut Sheet) -> Result<(), String> {
    let clean = without_comments(source);
    let mut rest = clean.trim();
    while !rest.is_empty() {
        if let Some(at) = rest.strip_prefix('@') {
            let name = at.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default();
            if name.eq_ignore_ascii_case("import") {
                return Err(
                    "mail programs load no styles from elsewhere: write what @import brings".to_owned()
                );
            }
            let end = end_of(rest).ok_or("a rule of the style is not closed")?;
            if !name.eq_ignore_ascii_case("charset") {
                keep(sheet, &rest[..end]);
            }
            rest = rest[end..].trim_start();
            continue;
        }
        let open = find(rest, '{').ok_or_else(|| format!("{:?} is no rule of a style", clip(rest)))?;
        // What `find` skips, brackets and quotes, may hold signs that end rules: the end is looked for behind it.
        let end = open + end_of(&rest[open..]).ok_or("a rule of the style is not closed")?;
        if find(&rest[..open], ';').is_some() {
            return Err(format!("a ; stands before {:?}: take it out", clip(&rest[..open])));
        }
        let (prelude, block) = (rest[..open].trim(), rest[open + 1..end].trim_end_matches('}'));
        rule(sheet, prelude, block);
        if sheet.rules.len() > RULES {
            return Err(format!("a style has at most {RULES} rules"));
        }
        rest = rest[end..].trim_start();
    }
    Ok(())
}

fn rule(sheet: &mut Sheet, prelude: &str, block: &str) {
    // `<!--` is tolerated in styles for readers of long ago.
    let prelude = prelude.trim_start_matches("<!--").trim_start_matches("-->").trim();
    let (mut selectors, mut others) = (Vec::new(), Vec::new());
    for text in split(prelude, ',') {
        match Selector::parse(text.trim()) {
            Some(selector) => selectors.push(selector),
            None => others.push(text.trim()),
        }
    }
    if !others.is_empty() {
        keep(sheet, &format!("{} {{{block}}}", others.join(", ")));
    }
    let declarations = declarations(block);
    if !selectors.is_empty() && !declarations.is_empty() {
        sheet.rules.push(Rule { selectors, declarations });
    }
}

fn keep(sheet: &mut Sheet, text: &str) {
    if !sheet.rest.is_empty() {
        sheet.rest.push('\n');
    }
    sheet.rest.push_str(text.trim());
}

/// Reads the declarations of a rule or of a style attribute.
pub(super) fn declarations(block: &str) -> Vec<Declaration> {
    let mut found = Vec::new();
    for text in split(block, ';') {
        let Some((property, value)) = text.split_once(':') else { continue };
        let (property, mut value) = (property.trim().to_ascii_lowercase(), value.trim());
        let mut important = false;
        if let Some((before, word)) = value.rsplit_once('!')
            && word.trim().eq_ignore_ascii_case("important")
        {
            (value, important) = (before.trim_end(), true);
        }
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !property.is_empty() && property.chars().all(good) && !value.is_empty() {
            found.push(Declaration { property, value: value.to_owned(), important });
        }
    }
    found
}

/// The parts between signs that stand in no quote and no bracket.
pub(super) fn split(text: &str, sign: char) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = find(rest, sign) {
        found.push(&rest[..at]);
        rest = &rest[at + sign.len_utf8()..];
    }
    found.push(rest);
    found
}

/// Where a sign stands first outside of quotes and brackets.
fn find(text: &str, sign: char) -> Option<usize> {
    let (mut quote, mut depth, mut skip) = (None, 0_usize, false);
    for (at, c) in text.char_indices() {
        if skip {
            skip = false;
            continue;
        }
        match (quote, c) {
            (_, '\\') => skip = true,
            (Some(open), c) => quote = Some(open).filter(|open| *open != c),
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c == sign && depth == 0 => return Some(at),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Where a rule ends: behind its block, or behind the `;` of one without.
fn end_of(text: &str) -> Option<usize> {
    let (mut quote, mut depth, mut skip) = (None, 0_usize, false);
    for (at, c) in text.char_indices() {
        if skip {
            skip = false;
            continue;
        }
        match (quote, c) {
            (_, '\\') => skip = true,
            (Some(open), c) => quote = Some(open).filter(|open| *open != c),
            (None, '"' | '\'') => quote = Some(c),
            (None, ';') if depth == 0 => return Some(at + 1),
            (None, '{') => depth += 1,
            (None, '}') if depth <= 1 => return Some(at + 1),
            (None, '}') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn without_comments(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("/*") {
        out.push_str(&rest[..at]);
        out.push(' ');
        rest = rest[at + 2..].split_once("*/").map_or("", |(_, behind)| behind);
    }
    out.push_str(rest);
    out
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::{Sheet, declarations, read};

    #[test]
    fn what_mail_programs_know_themselves_stays_and_the_rest_are_rules() {
        let mut sheet = Sheet::default();
        let source = "/* a { } */ p, a:hover, td.x > b { color: red; background: url(a;b) } @media (max-width: 5px) { p { color: blue } }
            @font-face { font-family: \"}\"; } #a{margin:0!important}";
        read(source, &mut sheet).unwrap();
        assert_eq!(sheet.rules.len(), 2);
        assert_eq!(sheet.rules[0].selectors.len(), 2);
        assert_eq!(sheet.rules[0].declarations[1].value, "url(a;b)");
        assert!(sheet.rules[1].declarations[0].important);
        assert!(sheet.rest.starts_with("a:hover {"), "{}", sheet.rest);
        assert!(sheet.rest.contains("@media (max-width: 5px) { p { color: blue } }"), "{}", sheet.rest);
        assert!(sheet.rest.ends_with("@font-face { font-family: \"}\"; }"), "{}", sheet.rest);
    }

    #[test]
    fn styles_from_elsewhere_and_broken_ones_are_told() {
        for bad in [
            "@import url(http://example.com/a.css);",
            "p { color: red",
            "p",
            "@media x { p {",
            "p{color:red};q{color:blue}",
            "a[{}] {x:y",
            ";",
            ";{",
        ] {
            assert!(read(bad, &mut Sheet::default()).is_err(), "{bad}");
        }
        let mut sheet = Sheet::default();
        read("a[{}] {x:y} a[x=\";\"] {x:z} p {x: \"}\"}", &mut sheet).unwrap();
        assert_eq!((sheet.rules.len(), sheet.rest.as_str()), (2, "a[{}] {x:y}"));
        assert_eq!(sheet.rules[1].declarations[0].value, "\"}\"");
    }

    #[test]
    fn declarations_are_read_one_by_one() {
        let found = declarations("COLOR : Red ; ; x; font: 1px \"a;b:c\"; width:10px !IMPORTANT");
        let texts: Vec<_> =
            found.iter().map(|it| format!("{}={}{}", it.property, it.value, it.important)).collect();
        assert_eq!(texts, ["color=Redfalse", "font=1px \"a;b:c\"false", "width=10pxtrue"]);
    }
}
