//! What an earlier call of a composite gives to a later one.

use std::{fmt, marker::PhantomData};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    composite::subrequest::{Parts, Read, Subrequest},
    error::{Error, InvalidRequest, Result},
    id::{InvalidId, OrgId, SalesforceId, UserId},
    records::{record_id::ToRecordId, save_result::SavedRecord},
};

/// One of the calls of a composite or a graph: to use what it gives in later ones, and to find its answer.
pub struct Reference<T> {
    pub(crate) id: String,
    pub(crate) read: Read<T>,
}

impl<T> Clone for Reference<T> {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), read: self.read }
    }
}

impl<T> fmt::Debug for Reference<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reference").field(&self.id).finish()
    }
}

impl<T> Reference<T> {
    /// Any member of the call's answer, to be a value in a later call: `Name` of a record that is read, or
    /// `records[0].Id` of a query.
    ///
    /// # Errors
    /// When it is no path to a member.
    pub fn field(&self, member: &str) -> Result<ReferenceValue> {
        let is_path = !member.is_empty()
            && member.len() <= 255
            && member.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.[]".contains(&byte));
        if is_path { Ok(self.member(member)) } else { Err(InvalidRequest::Reference.into()) }
    }

    fn member(&self, member: &str) -> ReferenceValue {
        ReferenceValue { text: format!("@{{{}.{member}}}", self.id), kind: PhantomData }
    }
}

impl Reference<SalesforceId> {
    /// The id of the record that the call creates: a value in a later call.
    pub fn id(&self) -> ReferenceValue {
        self.member("id")
    }
}

impl Reference<SavedRecord> {
    /// The id of the record that the call changes or creates: a value in a later call.
    pub fn id(&self) -> ReferenceValue {
        self.member("id")
    }
}

/// A value that Salesforce puts in when it comes to the call: made by [`Reference::id`] and [`Reference::field`], and
/// written into a record like any other value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceValue {
    text: String,
    /// Not to be made elsewhere.
    kind: PhantomData<()>,
}

impl Serialize for ReferenceValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// What names the record of a call: an id, a text that is one, or an earlier call that makes the record.
pub trait ToTarget {
    #[doc(hidden)]
    fn to_target(&self) -> Result<Target, InvalidId>;
}

/// One segment of a path.
#[doc(hidden)]
#[derive(Debug)]
pub struct Target(String);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! ids {
    ($($id:ty)*) => {$(
        impl ToTarget for $id {
            fn to_target(&self) -> Result<Target, InvalidId> {
                Ok(Target(self.to_record_id()?.to_string()))
            }
        }
    )*};
}

ids! { str String SalesforceId UserId OrgId }

impl<T: ToTarget + ?Sized> ToTarget for &T {
    fn to_target(&self) -> Result<Target, InvalidId> {
        T::to_target(self)
    }
}

impl ToTarget for ReferenceValue {
    fn to_target(&self) -> Result<Target, InvalidId> {
        Ok(Target(self.text.clone()))
    }
}

impl ToTarget for Reference<SalesforceId> {
    fn to_target(&self) -> Result<Target, InvalidId> {
        self.id().to_target()
    }
}

impl ToTarget for Reference<SavedRecord> {
    fn to_target(&self) -> Result<Target, InvalidId> {
        self.id().to_target()
    }
}

/// Calls that may refer to those before them.
pub(crate) struct Calls {
    /// What their ids begin with, so that no text that a user typed is a reference to one of them.
    prefix: Result<String, getrandom::Error>,
    pub(crate) list: Vec<Parts>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        let prefix = getrandom::u64().map(|random| format!("r{random:016x}_"));
        Self { prefix, list: Vec::new() }
    }

    pub(crate) fn add<T>(&mut self, call: Subrequest<T>, limit: usize) -> Result<Reference<T>> {
        if self.list.len() >= limit {
            return Err(InvalidRequest::TooManyCalls { limit }.into());
        }
        let prefix = self.prefix.as_ref().map_err(|error| Error::internal(*error))?;
        let known = |id: &str| {
            let number = id.strip_prefix(prefix).and_then(|number| number.parse::<usize>().ok());
            number.is_some_and(|number| number < self.list.len())
        };
        let refers = refers_only_to(&Value::from(&*call.parts.resource), true, &known)
            && call.parts.body.as_ref().is_none_or(|body| refers_only_to(body, false, &known));
        if !refers {
            return Err(InvalidRequest::Reference.into());
        }
        let id = format!("{prefix}{}", self.list.len());
        self.list.push(call.parts);
        Ok(Reference { id, read: call.read })
    }

    /// The calls and their reference ids.
    pub(crate) fn with_ids(&self) -> Result<Vec<(String, &Parts)>> {
        let prefix = self.prefix.as_ref().map_err(|error| Error::internal(*error))?;
        Ok(self.list.iter().enumerate().map(|(number, call)| (format!("{prefix}{number}"), call)).collect())
    }

    pub(crate) fn id(&self) -> Result<&str> {
        let prefix = self.prefix.as_ref().map_err(|error| Error::internal(*error))?;
        Ok(prefix.trim_end_matches('_'))
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

/// Whether every `@{` in a value belongs to a reference to a known call. Salesforce would take any other one for a
/// reference, too, and has no way to write it as text: what a user typed could bring out what another call gave.
fn refers_only_to(value: &Value, within_text: bool, known: &impl Fn(&str) -> bool) -> bool {
    let is_reference = |text: &str| {
        let path = text.strip_prefix("@{").and_then(|text| text.strip_suffix('}'));
        path.and_then(|path| path.split_once('.'))
            .is_some_and(|(id, member)| known(id) && !member.contains('}'))
    };
    match value {
        Value::String(text) if within_text => text.split('/').all(|segment| {
            !segment.contains("@{") || is_reference(segment.split('?').next().unwrap_or_default())
        }),
        Value::String(text) => !text.contains("@{") || is_reference(text),
        Value::Array(items) => items.iter().all(|item| refers_only_to(item, within_text, known)),
        Value::Object(members) => members
            .iter()
            .all(|(name, value)| !name.contains("@{") && refers_only_to(value, within_text, known)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn create(name: &Value) -> Subrequest<SalesforceId> {
        Subrequest::create("Account", &json!({ "Name": name })).unwrap()
    }

    #[test]
    fn only_references_to_earlier_calls_pass() {
        let mut calls = Calls::new();
        let first = calls.add(create(&json!("x")), 25).unwrap();
        let id = serde_json::to_value(first.id()).unwrap();
        calls.add(create(&id), 25).unwrap();
        calls.add(create(&json!([{ "deep": serde_json::to_value(first.field("records[0].Name").unwrap()).unwrap() }])), 25).unwrap();
        calls.add(Subrequest::update("Account", &first, &json!({})).unwrap(), 25).unwrap();
        calls.add(Subrequest::<Value>::retrieve("Account", first.id(), &["Name"]).unwrap(), 25).unwrap();

        let text = id.as_str().unwrap();
        for wrong in [
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
                    calls.add(create(&wrong), 25),
                    Err(Error::InvalidRequest(InvalidRequest::Reference))
                ),
                "{wrong}"
            );
        }
        let elsewhere = Calls::new().add(create(&json!("x")), 25).unwrap();
        assert!(
            calls.add(Subrequest::delete("Account", &elsewhere).unwrap(), 25).is_err(),
            "another composite's"
        );
        for member in ["", "a}", "a b", "@{x}", "a/b"] {
            assert!(first.field(member).is_err(), "{member}");
        }
        assert!(matches!(
            calls.add(create(&json!("x")), 5),
            Err(Error::InvalidRequest(InvalidRequest::TooManyCalls { limit: 5 }))
        ));
    }

    proptest! {
        /// What a user typed is text or an error, and never a reference.
        #[test]
        fn no_text_is_a_reference(text in "[@{}.r0-9a-f_id\\PC]{0,40}") {
            let mut calls = Calls::new();
            calls.add(create(&json!("x")), 25).unwrap();
            let added = calls.add(create(&json!(text)), 25);
            prop_assert_eq!(added.is_ok(), !text.contains("@{"));
        }
    }
}
