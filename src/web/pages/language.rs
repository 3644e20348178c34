//! The user's languages, as `Accept-Language` lists them.

/// Number of language ranges that are read. Browsers send up to about ten.
const MAX_RANGES: usize = 32;

/// Returns the offered language that the header prefers, or `None` if it accepts none of them.
///
/// A range matches a language of the same name or with a shorter one: `de-AT` matches `de` (RFC 4647 section 3.4,
/// lookup). `*` matches the first offered language. Of equal weights (RFC 9110 section 12.4.2) the first one wins.
pub(super) fn preferred<'a>(accept_language: &str, offered: &[&'a str]) -> Option<&'a str> {
    let mut ranges: Vec<(&str, u16)> =
        accept_language.split(',').take(MAX_RANGES).filter_map(range).collect();
    // The sort is stable.
    ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    ranges.into_iter().find_map(|(range, _)| {
        offered.iter().copied().find(|language| range == "*" || matches(range, language))
    })
}

/// `de;q=0.8` as `("de", 800)`. Weight 0 means "not acceptable".
fn range(text: &str) -> Option<(&str, u16)> {
    let (range, parameter) = text.split_once(';').unwrap_or((text, ""));
    let weight = match parameter.trim().strip_prefix("q=") {
        None => 1000,
        Some(weight) => {
            let weight: f32 = weight.trim().parse().ok()?;
            (weight.clamp(0.0, 1.0) * 1000.0) as u16
        }
    };
    (weight > 0 && !range.trim().is_empty()).then_some((range.trim(), weight))
}

fn matches(range: &str, language: &str) -> bool {
    let (range, language) = (range.as_bytes(), language.as_bytes());
    range.len() >= language.len()
        && range[..language.len()].eq_ignore_ascii_case(language)
        && matches!(range.get(language.len()), None | Some(b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_with_the_highest_weight_is_preferred() {
        for (header, expected) in [
            ("de", Some("de")),
            ("de-AT,de;q=0.9,en;q=0.8", Some("de")),
            ("en;q=0.8, DE-ch ;q=0.9", Some("de")),
            ("en, de", Some("en")),
            ("fr, *;q=0.1", Some("en")),
            ("fr;q=1.0, de;q=0.5", Some("de")),
            ("de;q=0, en;q=0.1", Some("en")),
            ("deutsch", None),
            ("fr", None),
            ("de;q=x", None),
            ("de;q=NaN", None),
            (";;,,;q=1", None),
            ("", None),
        ] {
            assert_eq!(preferred(header, &["en", "de"]), expected, "{header:?}");
        }
        assert_eq!(preferred("*", &[]), None);
        assert_eq!(preferred(&"fr,".repeat(1000), &["de"]), None);
    }
}
