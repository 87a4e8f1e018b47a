//! What elements and attributes of HTML are to messages: which end by themselves, which mail programs take away, which hold addresses.
//! Called by read.rs, emit.rs and text.rs.

/// Elements without an end tag.
pub(super) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Elements whose text is no markup.
pub(super) fn is_raw(name: &str) -> bool {
    matches!(
        name,
        "script"
            | "style"
            | "mj-style"
            | "textarea"
            | "xmp"
            | "iframe"
            | "noembed"
            | "noframes"
            | "noscript"
            | "plaintext"
    )
}

/// Elements whose end tag may be missing.
pub(super) fn ends_itself(name: &str) -> bool {
    matches!(
        name,
        "p" | "li" | "dt" | "dd" | "tr" | "td" | "th" | "thead" | "tbody" | "tfoot" | "option" | "colgroup"
    )
}

/// Elements that can't stand in a paragraph.
pub(super) fn ends_paragraph(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "center"
            | "details"
            | "div"
            | "dl"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hr"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "p"
            | "pre"
            | "section"
            | "summary"
            | "table"
            | "ul"
    )
}

/// Elements that begin on a line of their own in plain text.
pub(super) fn is_block(name: &str) -> bool {
    ends_paragraph(name) || matches!(name, "body" | "li" | "dt" | "dd" | "tr" | "caption")
}

/// What may stand right in an element of a table; none: anything may.
pub(super) fn only_in(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "table" => Some(&["caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr"]),
        "thead" | "tbody" | "tfoot" => Some(&["tr"]),
        "tr" => Some(&["td", "th"]),
        "colgroup" => Some(&["col"]),
        _ => None,
    }
}

/// Where an element of a table must stand; none: anywhere.
pub(super) fn needs(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "td" | "th" => Some(&["tr"]),
        "tr" => Some(&["table", "thead", "tbody", "tfoot"]),
        "thead" | "tbody" | "tfoot" | "caption" | "colgroup" => Some(&["table"]),
        _ => None,
    }
}

/// Why mail programs don't take an element; none: they do.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    Some(match name {
        "script" | "noscript" => "mail programs run no scripts: take it out",
        "form" | "input" | "button" | "select" | "option" | "textarea" | "fieldset" => {
            "mail programs take forms away: link to a page with the form"
        }
        "iframe" | "frame" | "frameset" | "object" | "embed" | "applet" | "noembed" | "noframes"
        | "plaintext" | "xmp" => "mail programs take it away: use a picture and a link",
        "base" => "mail programs ignore it: write whole addresses",
        "svg" | "math" | "template" | "canvas" => "mail programs show nothing of it: use a picture",
        _ => return None,
    })
}

/// Attributes that hold an address.
pub(super) fn is_address(name: &str) -> bool {
    matches!(
        name,
        "href"
            | "src"
            | "background"
            | "cite"
            | "poster"
            | "longdesc"
            | "xlink:href"
            | "data"
            | "action"
            | "formaction"
    )
}

/// Schemes of addresses in messages.
pub(crate) const SCHEMES: [&str; 5] = ["http", "https", "mailto", "tel", "cid"];

/// The scheme with which an address begins, when it is one of ours.
pub(crate) fn has_scheme(address: &str) -> bool {
    address
        .trim_start()
        .split_once(':')
        .is_some_and(|(scheme, _)| SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)))
}
