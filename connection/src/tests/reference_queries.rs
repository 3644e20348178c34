//! The queries and searches of the SOQL and SOSL Reference.
//!
//! A stored copy of the reference has 312 different examples of whole queries and searches, in 259 forms. The file
//! `reference_queries.txt` has each form, with other names and values.

use super::{one_meaning::connected, *};

/// The kind of refusal in `reference_queries.txt` for a query that this crate does not send.
const NOT_SENT: &str = "client ";

/// Without bound values the text is sent as it is; the fake org returns rows or names what it refuses.
#[tokio::test]
async fn the_queries_of_the_reference_are_sent_unchanged_and_understood() {
    let (org, sf) = connected().await;
    let (mut count, mut refusal) = (0, "");
    for line in include_str!("reference_queries.txt").lines() {
        if let Some(kind) = line.strip_prefix("! ") {
            refusal = kind;
        }
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        count += 1;
        // The reference writes most of them over several lines.
        for text in [line.to_owned(), line.replace(" FROM ", "\r\n\tFROM ").replace(" WHERE ", "\n  where\t")]
        {
            let before = org.requests().len();
            let error = match text.get(..4) {
                Some("FIND" | "Find") => sf.sosl(text.as_str()).fetch_all().await.err(),
                _ => sf.query::<Value>(text.as_str()).page().await.err(),
            };
            let sent: Vec<_> = org.requests()[before..].iter().filter_map(sent_text).collect();
            if let Some(reason) = refusal.strip_prefix(NOT_SENT) {
                assert!(error.is_some_and(|error| error.to_string().contains(reason)), "{text}");
                assert!(sent.is_empty(), "{text}");
                continue;
            }
            assert_eq!(sent, [text.as_str()]);
            match (refusal.split_once(' '), error) {
                (None, None) => {}
                (Some((code, part)), Some(error)) => {
                    let is_named =
                        |found: &crate::error::ApiError| found.code == code && found.message.contains(part);
                    assert!(error.api_errors().iter().any(is_named), "{text}: {:?}", error.api_errors());
                }
                (_, error) => panic!("{text}: {:?}", error.map(|error| error.api_errors().to_vec())),
            }
        }
    }
    assert_eq!(count, 259);
}

/// Returns the text of a query or search as the org received it.
fn sent_text(request: &salesforce_fake_org::Request) -> Option<String> {
    let query = request.query.as_deref()?.as_bytes();
    url::form_urlencoded::parse(query).find(|(name, _)| name == "q").map(|(_, text)| text.into_owned())
}
