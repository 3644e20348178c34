//! What the fuzz targets run on each input. `tests/it/parsers.rs` runs the same on stable Rust.
//!
//! Each takes any bytes, hands them to a parser, and panics if an accepted value breaks a promise of its type.

#[cfg(all(feature = "bulk", feature = "test-util"))]
pub(crate) mod csv;

use std::{fmt, str::FromStr};

use actix_salesforce::{
    ApiVersion, OrgId, SalesforceId, UserId,
    oauth::{LoginHost, Scopes},
    records::RecordEtag,
    soql::{SoqlDate, SoqlDateTime, SoqlTime},
};

fn text(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap_or_default()
}

/// An accepted text has one form, which is accepted as the same value.
fn has_one_form<T: FromStr + fmt::Display + fmt::Debug + PartialEq>(text: &str) -> Option<(T, String)> {
    let value: T = text.parse().ok()?;
    let form = value.to_string();
    let again = form.parse::<T>().unwrap_or_else(|_| panic!("{text:?} becomes {form:?}, which is rejected"));
    assert_eq!(value, again, "{text:?} becomes {form:?}");
    assert_eq!(again.to_string(), form, "{text:?}");
    Some((value, form))
}

/// Ids of records, orgs and users.
pub(crate) fn ids(data: &[u8]) {
    let text = text(data);
    if let Some((_, form)) = has_one_form::<SalesforceId>(text) {
        assert!(form.len() == 18 && form.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{form:?}");
        assert_eq!(form[..15], text[..15]);
    }
    if let Some((_, form)) = has_one_form::<OrgId>(text) {
        assert!(form.starts_with("00D"), "{form:?}");
    }
    if let Some((_, form)) = has_one_form::<UserId>(text) {
        assert!(form.starts_with("005"), "{form:?}");
    }
}

/// Hosts with OAuth endpoints.
pub(crate) fn login_host(data: &[u8]) {
    let Ok(host) = text(data).parse::<LoginHost>() else { return };
    let url = host.as_url();
    let is_local = matches!(url.host_str(), Some("localhost" | "[::1]"))
        || url.host_str().is_some_and(|host| host.starts_with("127."));
    assert!(url.scheme() == "https" || url.scheme() == "http" && is_local, "{url}");
    assert!(url.username().is_empty() && url.password().is_none(), "{url}");
    assert!(url.query().is_none() && url.fragment().is_none(), "{url}");
    assert!(url.host_str().is_some_and(|host| !host.ends_with(".lightning.force.com")), "{url}");
    assert_eq!(url.as_str().parse(), Ok(host.clone()));
    assert!(!host.issuer().ends_with('/'), "{}", host.issuer());
}

/// Scopes, separated by spaces.
pub(crate) fn scopes(data: &[u8]) {
    let Some((scopes, form)) = has_one_form::<Scopes>(text(data)) else { return };
    let names: Vec<_> = scopes.iter().collect();
    assert!(names.iter().all(|name| !name.is_empty() && scopes.contains(name)), "{names:?}");
    assert!(form.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{form:?}");
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "{names:?}");
}

/// Entity tags and dates of records. They become the value of a request header.
pub(crate) fn etag(data: &[u8]) {
    if let Some((_, form)) = has_one_form::<RecordEtag>(text(data)) {
        assert!(!form.is_empty() && form.bytes().all(|byte| !byte.is_ascii_control()), "{form:?}");
    }
}

/// Dates, times and versions. They become a part of queries and paths.
pub(crate) fn soql_values(data: &[u8]) {
    let text = text(data);
    let forms = [
        has_one_form::<SoqlDate>(text).map(|(_, form)| form),
        has_one_form::<SoqlDateTime>(text).map(|(_, form)| form),
        has_one_form::<SoqlTime>(text).map(|(_, form)| form),
        has_one_form::<ApiVersion>(text).map(|(_, form)| form),
    ];
    for form in forms.iter().flatten() {
        assert!(form.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-:.+".contains(&byte)), "{form:?}");
    }
}

/// The text of a query with its placeholders: all other text is unchanged, and nothing is found in it a second time.
#[cfg(feature = "test-util")]
pub(crate) fn soql_scanner(data: &[u8]) {
    use salesforce_connection::test_parsers::{bind_soql, scan_soql, scan_sosl_terms};

    let text = text(data);
    if let Ok(parts) = scan_soql(text) {
        assert_eq!(joined(&parts, |name| format!(":{name}")), text);
        let bound = joined(&parts, |_| "'it\\'s :v'".to_owned());
        assert!(names(&scan_soql(&bound).unwrap()).is_empty(), "{bound:?}");
        let names = names(&parts);
        if names.iter().all(|name| *name == "v") && !names.is_empty() {
            assert_eq!(bind_soql(text, "it's :v").as_ref(), Ok(&bound));
        }
    }
    if let Ok(parts) = scan_sosl_terms(text) {
        assert_eq!(joined(&parts, |name| format!(":{name}")), text);
        let bound = joined(&parts, |_| "\"it's :v\"".to_owned());
        assert!(names(&scan_sosl_terms(&bound).unwrap()).is_empty(), "{bound:?}");
    }
}

#[cfg(feature = "test-util")]
fn joined(parts: &[salesforce_connection::test_parsers::Part<'_>], value: impl Fn(&str) -> String) -> String {
    use salesforce_connection::test_parsers::Part;

    let text = |part: &Part<'_>| match *part {
        Part::Text(text) => text.to_owned(),
        Part::Placeholder(name) => value(name),
    };
    parts.iter().map(text).collect()
}

/// Returns the names of the placeholders, each of which is a word.
#[cfg(feature = "test-util")]
fn names<'a>(parts: &[salesforce_connection::test_parsers::Part<'a>]) -> Vec<&'a str> {
    use salesforce_connection::test_parsers::Part;

    let mut names = Vec::new();
    for part in parts {
        let Part::Placeholder(name) = *part else { continue };
        assert!(!name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit()), "{name:?}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name:?}");
        names.push(name);
    }
    names
}

/// A value bound between two others, and the term of a search: it stays one value, whatever it is.
#[cfg(feature = "test-util")]
pub(crate) fn soql_binding(data: &[u8]) {
    use salesforce_connection::test_parsers::{bind_soql, bind_sosl};

    let value = text(data);
    let soql = bind_soql("A = 'a\\'b' AND B = :v AND C IN ('c')", value).unwrap();
    let literal =
        soql.strip_prefix("A = 'a\\'b' AND B = '").and_then(|rest| rest.strip_suffix("' AND C IN ('c')"));
    assert_eq!(unescaped(literal.unwrap(), |quote| quote == '\''), Some(value.to_owned()), "{soql:?}");

    let Ok(sosl) = bind_sosl("FIND {:v OR b} RETURNING A(Id WHERE B = :v)", value) else {
        // Only a text without a word is no term.
        assert!(!value.contains(|letter: char| letter.is_alphanumeric()), "{value:?}");
        return;
    };
    let term = sosl.strip_prefix("FIND {").and_then(|rest| {
        rest.strip_suffix(&format!(" OR b}} RETURNING A(Id WHERE B = '{}')", literal.unwrap()))
    });
    let term = term.unwrap_or_else(|| panic!("{sosl:?}"));
    let reserved = |letter: char| "?&|!{}[]()^~*:\"'+-".contains(letter);
    let (inner, is_phrase) = match term.strip_prefix('"').and_then(|term| term.strip_suffix('"')) {
        Some(phrase) => (phrase, true),
        None => (term, false),
    };
    let words = unescaped(inner, reserved).unwrap_or_else(|| panic!("{sosl:?}"));
    assert!(is_phrase || !words.contains(' ') && !["AND", "OR", "NOT"].contains(&&*words), "{sosl:?}");
}

/// Reads a text whose backslashes escape the next character. `None` if one of `reserved` stands unescaped.
#[cfg(feature = "test-util")]
fn unescaped(literal: &str, reserved: impl Fn(char) -> bool) -> Option<String> {
    let mut text = String::new();
    let mut letters = literal.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.push(match letters.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = letters.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                letter => letter,
            }),
            letter if reserved(letter) => return None,
            letter => text.push(letter),
        }
    }
    Some(text)
}

/// The body of a page of a query. It is read as `serde_json` reads it, and an accepted page has one form.
#[cfg(feature = "test-util")]
pub(crate) fn page(data: &[u8]) {
    use salesforce_connection::test_parsers::page;

    // As a text: of a slice it does not check the strings that it skips.
    let by_serde = serde_json::from_str::<SerdePage<serde_json::Value>>(text(data));
    match page(data) {
        Ok(read) => {
            let form = serde_json::to_vec(&read).unwrap();
            let again = page(&form).unwrap_or_else(|error| panic!("{error}: {read:?}"));
            assert_eq!(again.records, read.records);
            assert_eq!(again.next, read.next);
            let value: serde_json::Value = serde_json::from_slice(data).unwrap();
            assert_eq!(value["records"].as_array(), Some(&read.records));
            assert_eq!(value["done"].as_bool(), Some(read.next.is_none()));
            let total_size = value["totalSize"].as_f64().unwrap();
            assert!(read.total_size.map_or(-1.0, |total| total as f64) == total_size.max(-1.0), "{read:?}");
        }
        Err(error) => {
            assert!(error.len() < 1000, "{error:?}");
            assert!(!by_serde.is_ok_and(|page| page.done), "{error}");
        }
    }
    let plain = typed_page::<PlainRow>(data);
    let flat = typed_page::<FlatRow>(data);
    if let Some(flat) = flat {
        let flat = flat.into_iter().map(|row| PlainRow { name: row.name, ..row.rest });
        assert_eq!(Some(flat.collect()), plain);
    }
}

/// Reads a page into rows of a type, and compares them with what `serde_json` makes of it.
#[cfg(feature = "test-util")]
fn typed_page<T>(data: &[u8]) -> Option<Vec<T>>
where
    T: serde::de::DeserializeOwned + serde::Serialize + fmt::Debug + PartialEq,
{
    let by_serde = serde_json::from_str::<SerdePage<T>>(text(data));
    match salesforce_connection::test_parsers::typed_page::<T>(data) {
        Ok(read) => {
            let records = read.records;
            match by_serde {
                Ok(page) => assert_eq!(page.records, records),
                // An integer that is written as a float.
                Err(_) => {
                    let value: serde_json::Value = serde_json::from_slice(data).unwrap();
                    for (index, record) in records.iter().enumerate() {
                        let written = serde_json::to_value(record).unwrap();
                        for (name, written) in written.as_object().unwrap() {
                            let came = &value["records"][index][name];
                            let is_same = match (written.as_f64(), came.as_f64()) {
                                (Some(written), Some(came)) => written == came,
                                _ => written == came,
                            };
                            assert!(is_same, "{written} is not {came}");
                        }
                    }
                }
            }
            Some(records)
        }
        Err(error) => {
            assert!(error.len() < 1000, "{error:?}");
            let is_refused = !by_serde.is_ok_and(|page| page.done) || error.contains("case");
            assert!(is_refused, "{error}");
            None
        }
    }
}

#[cfg(feature = "test-util")]
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct SerdePage<T> {
    #[allow(dead_code, reason = "a page has it")]
    total_size: i64,
    done: bool,
    #[allow(dead_code, reason = "a page may have it")]
    next_records_url: Option<String>,
    records: Vec<T>,
}

#[cfg(feature = "test-util")]
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PlainRow {
    #[serde(default)]
    name: Option<String>,
    n: Option<f64>,
    i: Option<i64>,
    u: Option<u64>,
    b: Option<bool>,
    v: Option<serde_json::Value>,
}

#[cfg(feature = "test-util")]
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FlatRow {
    name: Option<String>,
    #[serde(flatten)]
    rest: PlainRow,
}

/// The body of an error response, behind a byte for its status. What is stored of it is bounded.
#[cfg(feature = "test-util")]
pub(crate) fn error_response(data: &[u8]) {
    use salesforce_connection::{Error, test_parsers::error_response};

    let Some((first, body)) = data.split_first() else { return };
    for status in [300 + u16::from(*first), 400, 403, 503] {
        let (error, class) = error_response(status, body);
        assert!(class != "TokenExpired" || matches!(status, 401 | 403), "{status}: {error:?}");
        let errors = match &error {
            Error::Api { errors, .. }
            | Error::ApiAccessDenied { errors, .. }
            | Error::LimitExceeded { errors, .. } => errors.as_slice(),
            _ => &[],
        };
        assert!(errors.len() <= 200, "{}", errors.len());
        for entry in errors {
            assert!(
                entry.message.len() <= 2100 && entry.code.len() <= 2100 && entry.fields.len() <= 200,
                "{entry:?}"
            );
        }
        assert!(error.to_string().len() < 3000, "{error}");
    }
}

/// URLs of instances and of requests.
#[cfg(feature = "test-util")]
pub(crate) fn allowed_hosts(data: &[u8]) {
    use salesforce_connection::{http::AllowedHosts, test_parsers::instance_url};

    let text = text(data);
    let urls =
        [instance_url(text), text.parse().ok().filter(|url| AllowedHosts::default().check(url).is_ok())];
    for url in urls.into_iter().flatten() {
        let host = url.host_str().unwrap_or_default();
        let known = ["login.salesforce.com", "test.salesforce.com"].contains(&host)
            || [".my.salesforce.com", ".my.site.com"]
                .iter()
                .any(|end| host.len() > end.len() && host.ends_with(end));
        assert!(known && url.scheme() == "https" && url.port().is_none(), "{text:?} gave {url}");
        assert!(url.username().is_empty() && url.password().is_none(), "{text:?} gave {url}");
        assert!(
            !host.split('.').any(|label| label.is_empty() || label.starts_with("xn--")),
            "{text:?} gave {url}"
        );
    }
    if let Some(url) = instance_url(text) {
        assert!(url.query().is_none() && url.fragment().is_none(), "{text:?} gave {url}");
    }
}

/// Where a browser is sent after login or logout: to the app, however the target is spelled.
#[cfg(feature = "test-util")]
pub(crate) fn return_target(data: &[u8]) {
    let own: url::Url = "https://app.example/".parse().unwrap();
    let Some(target) = actix_salesforce::test_parsers::return_target(&own, text(data)) else { return };
    assert!(target.starts_with('/') && target.len() <= 900, "{target:?}");
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{target:?}");
    // What a browser makes of it. It drops tabs and line breaks and takes `\` for `/`.
    let url = own.join(&target).unwrap();
    assert_eq!(url.origin(), own.origin(), "{target:?}");
    assert!(!url.path().starts_with("//"), "{target:?}");
    // It is checked again when it comes back in a cookie.
    assert_eq!(actix_salesforce::test_parsers::return_target(&own, &target).as_deref(), Some(&*target));
}

/// A `Cookie` header. What other parsers see has the cookie at most once, under its exact name, with the same value.
#[cfg(feature = "test-util")]
pub(crate) fn cookies(data: &[u8]) {
    use actix_salesforce::test_parsers::cookies;

    const NAME: &str = "__Host-sid";
    let Some((value, cleaned)) = cookies(data, NAME) else { return };
    let (again, twice) = cookies(&cleaned, NAME).unwrap();
    assert_eq!((again.as_deref(), &twice), (value.as_deref(), &cleaned), "{data:?}");
    // As a lenient parser reads it: trimmed, and with percent escapes decoded.
    let Ok(header) = std::str::from_utf8(&cleaned) else { panic!("{data:?}") };
    let named = header.split(';').filter_map(|pair| pair.split_once('=')).filter(|(name, _)| {
        let decoded = percent_decoded(name.as_bytes());
        String::from_utf8_lossy(&decoded).trim() == NAME
    });
    let values: Vec<&str> = named.map(|(_, value)| value).collect();
    match value {
        Some(value) => assert_eq!(
            values.iter().map(|value| value.trim_ascii_end()).collect::<Vec<_>>(),
            [&*value],
            "{data:?}"
        ),
        None => assert!(values.is_empty(), "{data:?}"),
    }
}

#[cfg(feature = "test-util")]
fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let hex = hex.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| byte == b'%') {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}
