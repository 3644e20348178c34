//! [`append_query`]: adds parameters to a link that may have some.

use url::form_urlencoded;

/// Returns a link without a fragment, with these parameters behind those that it has.
pub(crate) fn append_query<'a>(link: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    match query.as_str() {
        "" => link.to_owned(),
        query => format!("{link}{}{query}", if link.contains('?') { '&' } else { '?' }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded_and_come_after_those_of_the_link() {
        let pairs = [("return_to", "/a?b=c&d"), ("host", "org 1")];
        assert_eq!(append_query("/login", pairs), "/login?return_to=%2Fa%3Fb%3Dc%26d&host=org+1");
        assert_eq!(append_query("/login?prompt=login", [("add", "1")]), "/login?prompt=login&add=1");
        assert_eq!(append_query("/login", []), "/login");
    }
}
