//! A list of subrequests in which later ones may refer to earlier ones.

use std::fmt;

use serde_json::value::RawValue;

use crate::{
    composite::{
        reference::Reference,
        subrequest::{RequestParts, Subrequest},
    },
    error::{Error, InvalidRequest, Result},
    json::tree::Json,
};

/// The subrequests of a composite or a graph.
pub(crate) struct SubrequestList {
    /// A random prefix of all reference ids, so that a user's text cannot be a reference to one of them.
    prefix: Result<String, getrandom::Error>,
    pub(crate) subrequests: Vec<RequestParts>,
}

impl SubrequestList {
    pub(crate) fn new() -> Self {
        let prefix = getrandom::u64().map(|random| format!("r{random:016x}_"));
        Self { prefix, subrequests: Vec::new() }
    }

    /// Adds a subrequest, unless the list has `limit` of them or it has an invalid reference.
    pub(crate) fn add<T>(&mut self, subrequest: Subrequest<T>, limit: usize) -> Result<Reference<T>> {
        let Subrequest { parts, read } = subrequest;
        if self.subrequests.len() >= limit {
            return Err(InvalidRequest::TooManyCalls { limit }.into());
        }
        let prefix = self.prefix()?;
        let is_known = |id: &str| {
            let number = id.strip_prefix(prefix).and_then(|number| number.parse::<usize>().ok());
            number.is_some_and(|number| number < self.subrequests.len())
        };
        let is_valid = has_only_known_segments(&parts.resource, &is_known)
            && parts.body.as_deref().is_none_or(|body| is_body_valid(body, &is_known));
        if !is_valid {
            return Err(InvalidRequest::Reference.into());
        }
        let id = format!("{prefix}{}", self.subrequests.len());
        self.subrequests.push(parts);
        Ok(Reference { id, read })
    }

    /// Returns the subrequests with their reference ids.
    pub(crate) fn with_ids(&self) -> Result<Vec<(String, &RequestParts)>> {
        let prefix = self.prefix()?;
        let numbered = self.subrequests.iter().enumerate();
        Ok(numbered.map(|(number, parts)| (format!("{prefix}{number}"), parts)).collect())
    }

    /// Returns the id of the list itself, for a graph.
    pub(crate) fn id(&self) -> Result<&str> {
        Ok(self.prefix()?.trim_end_matches('_'))
    }

    fn prefix(&self) -> Result<&str> {
        Ok(self.prefix.as_ref().map_err(|error| Error::internal(*error))?)
    }
}

impl fmt::Debug for SubrequestList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.subrequests).finish()
    }
}

/// Returns true if every `@{` in a body belongs to a reference with a known id.
///
/// Salesforce takes any other `@{` for a reference, too, and has no escape for it: a user's text could read the values
/// of other subrequests.
fn is_body_valid(body: &RawValue, is_known: &impl Fn(&str) -> bool) -> bool {
    // Raw JSON of the program may have escapes.
    let may_have_references = ["@{", "\\u"].iter().any(|start| body.get().contains(start));
    !may_have_references
        || Json::parse(body.get()).is_some_and(|body| has_only_known_references(&body, is_known))
}

fn has_only_known_references(json: &Json, is_known: &impl Fn(&str) -> bool) -> bool {
    match json {
        Json::Text(text) => !text.contains("@{") || is_reference(text, is_known),
        Json::Array(elements) => elements.iter().all(|element| has_only_known_references(element, is_known)),
        Json::Object(members) => members
            .iter()
            .all(|(name, value)| !name.contains("@{") && has_only_known_references(value, is_known)),
        _ => true,
    }
}

/// As [`is_body_valid`], for a path, whose segments may be references.
fn has_only_known_segments(path: &str, is_known: &impl Fn(&str) -> bool) -> bool {
    path.split('/').all(|segment| {
        !segment.contains("@{") || is_reference(segment.split('?').next().unwrap_or_default(), is_known)
    })
}

fn is_reference(text: &str, is_known: &impl Fn(&str) -> bool) -> bool {
    let path = text.strip_prefix("@{").and_then(|text| text.strip_suffix('}'));
    path.and_then(|path| path.split_once('.'))
        .is_some_and(|(id, member)| is_known(id) && !member.contains('}'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::id::SalesforceId;

    fn create(name: &Value) -> Subrequest<SalesforceId> {
        Subrequest::create("Account", &json!({ "Name": name })).unwrap()
    }

    #[test]
    fn only_references_to_earlier_subrequests_pass() {
        let mut list = SubrequestList::new();
        let first = list.add(create(&json!("x")), 25).unwrap();
        let id = serde_json::to_value(first.id()).unwrap();
        list.add(create(&id), 25).unwrap();
        list.add(
            create(
                &json!([{ "deep": serde_json::to_value(first.field("records[0].Name").unwrap()).unwrap() }]),
            ),
            25,
        )
        .unwrap();
        list.add(Subrequest::update("Account", &first, &json!({})).unwrap(), 25).unwrap();
        list.add(Subrequest::<Value>::retrieve("Account", first.id(), &["Name"]).unwrap(), 25).unwrap();

        let text = id.as_str().unwrap();
        for rejected in [
            json!("@{"),
            json!("@{x.id}"),
            json!(format!("{text}{text}")),
            json!(format!("a {text}")),
            json!(text.replace("_0", "_9")),
            json!([{ "deep": "@{other.id}" }]),
            json!({ "@{x.id}": 1 }),
        ] {
            assert!(
                matches!(
                    list.add(create(&rejected), 25),
                    Err(Error::InvalidRequest(InvalidRequest::Reference))
                ),
                "{rejected}"
            );
        }
        let foreign = SubrequestList::new().add(create(&json!("x")), 25).unwrap();
        assert!(
            list.add(Subrequest::delete("Account", &foreign).unwrap(), 25).is_err(),
            "a reference of another composite"
        );
        for member in ["", "a}", "a b", "@{x}", "a/b"] {
            assert!(first.field(member).is_err(), "{member}");
        }
        assert!(matches!(
            list.add(create(&json!("x")), 5),
            Err(Error::InvalidRequest(InvalidRequest::TooManyCalls { limit: 5 }))
        ));
    }

    proptest! {
        /// A user's text is sent as text or rejected. It never becomes a reference.
        #[test]
        fn text_never_becomes_a_reference(text in "[@{}.r0-9a-f_id\\PC]{0,40}") {
            let mut list = SubrequestList::new();
            list.add(create(&json!("x")), 25).unwrap();
            let added = list.add(create(&json!(text)), 25);
            prop_assert_eq!(added.is_ok(), !text.contains("@{"));
        }
    }
}
