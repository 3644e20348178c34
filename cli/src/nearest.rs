//! The known name that is nearest to one that is not known.

/// Below this likeness two names have nothing to do with each other: no hint is better than a wrong one.
const LIKENESS: f64 = 0.7;

/// Returns the nearest of the names, if one is near.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = bare(name);
    let likeness = |known: &str| {
        let known = bare(known);
        // `Budget` for `Budget__c`, in any case.
        if known == wanted { 1.0 } else { strsim::jaro_winkler(&wanted, &known) }
    };
    let rated = names.into_iter().map(|known| (likeness(known), known));
    // Of two equally near names the first in the alphabet: the same text on every machine.
    let best = rated.filter(|(likeness, _)| *likeness >= LIKENESS);
    best.max_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| y.cmp(x))).map(|(_, known)| known)
}

/// The name without the suffix of custom objects and fields.
fn bare(name: &str) -> String {
    name.trim_end_matches("__c").trim_end_matches("__r").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_or_none() {
        let names = ["Account", "AccountId", "Budget__c", "Name", "Industry"];
        for (name, expected) in [
            ("Acount", Some("Account")),
            ("budget", Some("Budget__c")),
            ("Nmae", Some("Name")),
            ("industri", Some("Industry")),
            ("Xyzzy__c", None),
        ] {
            assert_eq!(nearest(name, names), expected, "{name}");
        }
    }
}
