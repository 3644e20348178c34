//! Hostile texts for property tests.

use proptest::prelude::*;

#[rustfmt::skip]
const PIECES: &[&str] = &[
    "'", "''", "\\", "\\\\", "\\'", "\"", "`", "\\u0027", "\\u005c", "\\ud800", "\\udc00", "\\x27",
    "\\0", "\0", "\u{1}", "\u{8}", "\t", "\n", "\r", "\r\n", "\u{b}", "\u{c}", "\u{1b}", "\u{7f}",
    "\u{85}", "\u{a0}", "\u{ad}", "\u{200b}", "\u{202e}", "\u{2028}", "\u{2029}", "\u{2019}", "\u{fe00}",
    "\u{feff}", "\u{ff07}", "\u{ff0e}", "\u{ff3c}", "\u{fffd}", "\u{10ffff}", "%", "_", "\\%", "\\_",
    "%27", "%5C", "%00", "%2e%2e", "%2f", "%25", "*", "?", "/", "//", ".", "..", "../", "..\\", "#", "&",
    "=", "+", ";", ":", ":v", "@", "@{ref0.id}", "{", "}", "(", ")", "[", "]", ",", "<", ">", "!", "~",
    "^", "|", "$", "-", "--", "/*", "*/", " ", " OR ", " AND ", " OR Name != ", "null", "true",
    "LIMIT 1", "SELECT", ".json", "a", "Z", "0", "\u{e9}", "e\u{301}", "\u{df}", "\u{130}", "\u{1F600}",
    "\u{1F468}\u{200d}\u{1F469}",
];

/// Returns any text: of pieces that parsers often misread, and of any characters.
///
/// Control characters are included, which `any::<String>()` never has.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(PIECES).prop_map(str::to_owned).boxed(),
        1 => any::<char>().prop_map(String::from).boxed(),
    ];
    prop_oneof![
        6 => prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}
