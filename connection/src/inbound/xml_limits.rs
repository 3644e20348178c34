//! What an envelope may cost before it is parsed: tags, depth, attributes. A parser keeps the namespaces of each element,
//! and compares its attributes with each other.

/// Deepest element. An outbound message has six levels.
const MAX_DEPTH: usize = 12;
/// Most tags. A hundred notifications of 500 fields have 100,000, opened and closed.
const MAX_TAGS: usize = 250_000;
/// Most attributes of an element, namespaces included. Salesforce writes three.
const MAX_ATTRIBUTES: usize = 16;
/// Most declarations of namespaces in all: a parser copies those in scope to each element that declares another one.
/// Salesforce writes one for each record, and a few around them.
const MAX_NAMESPACES: usize = 300;

/// Returns whether a text has a document type, or more or deeper elements than an envelope of Salesforce.
pub(super) fn are_exceeded(text: &str) -> bool {
    let (mut rest, mut depth, mut tags, mut namespaces) = (text, 0_usize, 0_usize, 0_usize);
    while let Some((_, tag)) = rest.split_once('<') {
        tags += 1;
        if tags > MAX_TAGS {
            return true;
        }
        let end = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")];
        if let Some((start, end)) = end.iter().find(|(start, _)| tag.starts_with(start)) {
            // Behind the opening: `<!-->` begins a comment, and does not end it.
            let contents = tag.get(start.len()..).unwrap_or_default();
            let Some((_, after)) = contents.split_once(end) else { return true };
            rest = after;
            continue;
        }
        // A document type, and with it entities: SOAP 1.1 section 3 forbids it.
        if tag.starts_with('!') {
            return true;
        }
        let Some((attributes, length, is_empty)) = measure(tag) else { return true };
        namespaces += tag.get(..length).map_or(0, |tag| tag.matches("xmlns").count());
        if attributes > MAX_ATTRIBUTES || namespaces > MAX_NAMESPACES {
            return true;
        }
        if tag.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if !is_empty {
            depth += 1;
        }
        if depth > MAX_DEPTH {
            return true;
        }
        rest = tag.get(length..).unwrap_or_default();
    }
    false
}

/// Returns how many attributes a tag has, how long it is, and whether it has no contents. `None` if it does not end.
fn measure(tag: &str) -> Option<(usize, usize, bool)> {
    let (mut attributes, mut quote, mut before) = (0, None, b' ');
    for (place, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'=') => attributes += 1,
            (None, b'>') => return Some((attributes, place + 1, before == b'/')),
            (None, _) => {}
        }
        before = byte;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_stays_within_the_limits_and_a_bomb_does_not() {
        for text in [
            "<a/>",
            r#"<a b=">" c='<'><b/><!-- <b> --><c><![CDATA[<<<]]></c></a>"#,
            &format!("<?xml version=\"1.0\"?><a>{}</a>", "<b/>".repeat(100_000)),
            &format!("<a><!---><b {}/>--></a>", "x='1' ".repeat(17)),
        ] {
            assert!(!are_exceeded(text), "{}", &text[..40.min(text.len())]);
        }
        for text in [
            "<!DOCTYPE a><a/>".to_owned(),
            "<a><!ENTITY b 'c'></a>".to_owned(),
            "<a>".repeat(13),
            "<b xmlns:p='q'/>".repeat(301),
            // A comment that begins like the end of one: what follows it is hidden from no limit.
            format!("<!--><![CDATA[--><a {}/><!--]]>-->", "x='1' ".repeat(17)),
            "<b/>".repeat(250_001),
            format!("<a {}/>", "x='1' ".repeat(17)),
            "<a b='".to_owned(),
            "<!-- ".to_owned(),
            "<![CDATA[".to_owned(),
        ] {
            assert!(are_exceeded(&text), "{}", &text[..20.min(text.len())]);
        }
    }
}
