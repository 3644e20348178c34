//! What is between the quotes.

/// The text a quoted literal means. In a LIKE pattern `\_` and `\%` stay escaped, for SQL's `ESCAPE '\'`, and
/// so does a literal backslash.
pub(super) fn unescape(raw: &str, like: bool) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n' | 'N') => out.push('\n'),
            Some('r' | 'R') => out.push('\r'),
            Some('t' | 'T') => out.push('\t'),
            Some('b' | 'B') => out.push('\u{8}'),
            Some('f' | 'F') => out.push('\u{c}'),
            Some('u') => {
                let hex: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&hex, 16).unwrap_or(0xfffd);
                // A surrogate half stands for nothing on its own.
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            Some('\\') if like => out.push_str("\\\\"),
            Some(mark @ ('_' | '%')) if like => {
                out.push('\\');
                out.push(mark);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}
