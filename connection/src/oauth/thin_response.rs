//! Completes a response to a refresh that lacks what the grant knows already, before it is read.
//!
//! A reader of token responses rejects members of an odd form. But the refresh token that was sent may be used by then,
//! and each later refresh would get the same response: the login would never recover. So what is missing or empty counts
//! as unchanged. A missing `token_type` is that of every token response: `token_response::with_token_type`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// The members that are texts. Of another type they say nothing: the sender is no Salesforce, or one of a later day.
const TEXTS: [&str; 8] = [
    "token_type",
    "refresh_token",
    "scope",
    "id",
    "instance_url",
    "signature",
    "id_token",
    "sfdc_community_url",
];

/// Returns the body without what says nothing, or `None` if it has nothing of that or is no JSON object.
///
/// A member that is null, empty or of another type than it has to be is left out, except for the access token. Nothing else
/// changes.
pub(crate) fn complete(body: &[u8]) -> Option<Vec<u8>> {
    let Members(sent) = serde_json::from_slice(body).ok()?;
    let mut members = sent.clone();
    members.retain(|name, value| match value {
        _ if name == "access_token" => true,
        Value::Null => false,
        value if name == "expires_in" => value.is_u64(),
        Value::String(text) => !text.trim().is_empty(),
        // Milliseconds since 1970, which some senders write as a number.
        value if name == "issued_at" => value.is_u64(),
        _ => !TEXTS.contains(&name.as_str()),
    });
    if members == sent { None } else { serde_json::to_vec(&members).ok() }
}

/// A JSON object without a member that stands there twice.
pub(super) struct Members(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with each member once")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = entries.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a member twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_empty_counts_as_unchanged() {
        let complete = |text: &str| complete(text.as_bytes()).map(|body| String::from_utf8(body).unwrap());
        let whole = r#"{"access_token":"a","token_type":"Bearer"}"#;
        assert_eq!(complete(whole), None);
        for thin in [
            r#"{"access_token":"a","token_type":"Bearer","scope":null}"#,
            r#"{"access_token":"a","token_type":"Bearer","id":"","instance_url":null,"refresh_token":""}"#,
            r#"{"access_token":"a","token_type":"Bearer","expires_in":"7200"}"#,
            r#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#,
            r#"{"access_token":"a","token_type":"Bearer","id":7,"scope":["api"],"refresh_token":{},"issued_at":1.5}"#,
            r#"{"access_token":"a","token_type":"Bearer","id":" ","instance_url":"\t","issued_at":" "}"#,
        ] {
            let body = complete(thin).unwrap();
            assert_eq!(
                serde_json::from_str::<Value>(&body).unwrap(),
                serde_json::from_str::<Value>(whole).unwrap()
            );
        }
        assert_eq!(complete(r#"{"access_token":"a","token_type":""}"#).unwrap(), r#"{"access_token":"a"}"#);
        assert_eq!(complete(r#"{"access_token":"a","token_type":7}"#).unwrap(), r#"{"access_token":"a"}"#);
        for other in [
            r#"{"access_token":"a"}"#,
            r#"{"access_token":7,"token_type":"mac","issued_at":"1","issued_to":7}"#,
            r#"{"access_token":"a","access_token":"b"}"#,
            r#"["access_token"]"#,
            "<html>",
        ] {
            assert_eq!(complete(other), None, "{other}");
        }
    }
}
