//! [`QuickAction`]: the actions on a record's page, and global ones.
//!
//! Source: REST API Developer Guide, "sObject Quick Actions" and "Quick Actions".

use reqwest::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{ActionSummary, FailedAction, action_segment};
use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    id::SalesforceId,
    records::SObjectHandle,
    request::{decode, path::ResourcePath, send::ApiRequest},
};

/// A quick action, created by [`Connection::quick_action`] or [`SObjectHandle::quick_action`].
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `run` is called"]
pub struct QuickAction {
    connection: Connection,
    object: Option<String>,
    name: String,
}

/// What a quick action did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuickActionResult {
    /// The records that it created or changed.
    pub ids: Vec<SalesforceId>,
    /// Whether it created a record; `None` if Salesforce does not say.
    pub created: Option<bool>,
    /// The sentence that a page shows afterwards.
    pub success_message: Option<String>,
}

impl Connection {
    /// Returns a global quick action, for example `LogACall`.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let lead = serde_json::json!({ "LastName": "Lovelace", "Company": "Acme" });
    /// let done = sf.quick_action("NewLead").run(None, &lead).await?;
    /// assert_eq!(done.ids.len(), 1);
    /// # Ok(()) });
    /// ```
    pub fn quick_action(&self, name: impl Into<String>) -> QuickAction {
        QuickAction { connection: self.clone(), object: None, name: name.into() }
    }

    /// Returns the global quick actions.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// for action in sf.quick_actions().await? {
    ///     println!("{}: {}", action.name, action.label);
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn quick_actions(&self) -> Result<Vec<ActionSummary>> {
        self.read(ResourcePath::versioned(self.api_version(), "quickActions")?).await
    }
}

impl SObjectHandle {
    /// Returns a quick action of this object.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let account = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// let action = sf.sobject("Account").quick_action("NewContact");
    /// // What a form shows at first.
    /// let defaults: serde_json::Value = action.defaults(Some(account)).await?;
    /// # assert!(defaults["AccountId"].is_string());
    /// let done = action.run(Some(account), &serde_json::json!({ "LastName": "Smith" })).await?;
    /// println!("{:?}: {:?}", done.success_message, done.ids);
    /// # Ok(()) });
    /// ```
    pub fn quick_action(&self, name: impl Into<String>) -> QuickAction {
        // An invalid name of the object is reported as one of the action's path.
        let object = self.name().unwrap_or_default();
        QuickAction { connection: self.connection().clone(), object: Some(object), name: name.into() }
    }

    /// Returns the quick actions of this object, global ones included.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let actions = sf.sobject("Account").quick_actions().await?;
    /// assert!(actions.iter().any(|action| action.name == "NewContact"));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn quick_actions(&self) -> Result<Vec<ActionSummary>> {
        let resource = format!("sobjects/{}/quickActions", self.name()?);
        let connection = self.connection();
        connection.read(ResourcePath::versioned(connection.api_version(), &resource)?).await
    }
}

impl QuickAction {
    /// Returns the values that the action's form shows at first, for a record if it has one as its context.
    ///
    /// # Errors
    /// Without a context, [`Error::UnknownResource`](crate::Error::UnknownResource) if there is no such action; otherwise as
    /// [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn defaults<T: DeserializeOwned>(&self, context: Option<SalesforceId>) -> Result<T> {
        let has_context = context.is_some();
        let context = context.map(|id| format!("/{id}")).unwrap_or_default();
        let path = self.path(&format!("/defaultValues{context}"))?;
        let defaults = self.connection.read(path).await;
        // With a context, the record may be what does not exist.
        if has_context {
            defaults
        } else {
            defaults.map_err(|error| error.or_unknown("quick action", &self.name))
        }
    }

    /// Runs the action: creates or changes a record, with these fields. Never retried once Salesforce may have received it.
    ///
    /// `context` is the record on whose page the action is, such as the account of a new contact.
    ///
    /// # Errors
    /// - [`Error::Api`](crate::Error::Api) with Salesforce's reasons if the action failed
    /// - without a context, [`Error::UnknownResource`](crate::Error::UnknownResource) if there is no such action; with one,
    ///   [`Error::Api`](crate::Error::Api) with status 404 if there is no such action or record
    /// - otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send)
    pub async fn run<T: Serialize + ?Sized>(
        &self,
        context: Option<SalesforceId>,
        record: &T,
    ) -> Result<QuickActionResult> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a, T: ?Sized> {
            #[serde(skip_serializing_if = "Option::is_none")]
            context_id: Option<String>,
            record: &'a T,
        }
        let context_id = context.map(|id| id.to_string());
        let body = decode::body(&Body { context_id, record })?;
        let request = ApiRequest::new(Method::POST, self.path("")?).json(body).no_retry();
        let response = self.connection.send(request).await;
        // With a context, the record may be what does not exist.
        let response = match context {
            Some(_) => response?,
            None => response.map_err(|error| error.or_unknown("quick action", &self.name))?,
        };
        read(decode::json_of(&response)?)
    }

    fn path(&self, rest: &str) -> Result<ResourcePath> {
        let name = action_segment(&self.name)?;
        let resource = match &self.object {
            Some(object) => format!("sobjects/{}/quickActions/{name}{rest}", action_segment(object)?),
            None => format!("quickActions/{name}{rest}"),
        };
        Ok(ResourcePath::versioned(self.connection.api_version(), &resource)?)
    }
}

fn read(body: &[u8]) -> Result<QuickActionResult> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RawResult<'a> {
        success: bool,
        #[serde(borrow, default)]
        errors: Option<&'a RawValue>,
        created: Option<bool>,
        id: Option<SalesforceId>,
        ids: Option<Vec<SalesforceId>>,
        success_message: Option<String>,
    }
    let raw: RawResult<'_> = decode::json(body)?;
    if !raw.success {
        return Err(FailedAction::read(raw.errors).into());
    }
    // One of the two, or both with the same record. Without either, no list would say what the action did.
    if raw.ids.is_none() && raw.id.is_none() {
        return Err(InvalidResponse::Unexpected("a quick action that succeeded without an id").into());
    }
    let mut ids = raw.ids.unwrap_or_default();
    ids.extend(raw.id.filter(|id| !ids.contains(id)));
    Ok(QuickActionResult { ids, created: raw.created, success_message: raw.success_message })
}
