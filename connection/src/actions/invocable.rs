//! [`InvocableAction`]: standard actions, Apex methods and flows.
//!
//! Source: Actions Developer Guide, "Flow Actions", "Apex Actions"; REST API Developer Guide, "Invocable Actions".

use bytes::Bytes;
use reqwest::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{ActionDescription, ActionSummary, FailedAction, action_segment};
use crate::{
    connection::Connection,
    error::{InvalidRequest, InvalidResponse, Result},
    request::{decode, error_body, path::ResourcePath, send::ApiRequest},
};

/// The kind of an invocable action, which is a part of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActionKind {
    /// An action of Salesforce: `emailSimple`, `chatterPost`.
    Standard,
    /// A method of an Apex class with `@InvocableMethod`.
    Apex,
    /// An active autolaunched flow.
    Flow,
    /// Another kind of custom action: `quickAction`, `emailAlert`.
    Custom(String),
}

impl ActionKind {
    fn path(&self) -> Result<String> {
        Ok(match self {
            Self::Standard => "actions/standard".into(),
            Self::Apex => "actions/custom/apex".into(),
            Self::Flow => "actions/custom/flow".into(),
            Self::Custom(kind) => format!("actions/custom/{}", action_segment(kind)?),
        })
    }
}

/// Why inputs of an action were not sent: they do not fit its description.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidActionInput {
    /// The action requires a value that is missing or `null`.
    #[error("input {index} of the action lacks `{name}`, which it requires")]
    #[non_exhaustive]
    Missing {
        /// The position of the input, from 0.
        index: usize,
        /// The parameter.
        name: String,
    },
    /// The action has no parameter of this name.
    #[error("input {index} has `{name}`, which the action does not take")]
    #[non_exhaustive]
    Unknown {
        /// The position of the input, from 0.
        index: usize,
        /// The name in the input.
        name: String,
    },
    /// The value is of another type than the parameter, or a list where it takes one value.
    #[error("`{name}` in input {index} is not a value that the action takes there (type {expected})")]
    #[non_exhaustive]
    Type {
        /// The position of the input, from 0.
        index: usize,
        /// The parameter.
        name: String,
        /// The type of the parameter, as Salesforce names it.
        expected: String,
    },
    /// An input that serializes to something other than a JSON object.
    #[error("input {index} of the action is not a struct or a map")]
    #[non_exhaustive]
    NotAnObject {
        /// The position of the input, from 0.
        index: usize,
    },
    /// There is no input. An action without parameters takes an empty struct.
    #[error("the action has no input. Pass an empty struct to run it without values")]
    Empty,
}

crate::debug::debug_as_display!(InvalidActionInput);

/// An invocable action of the org, created by [`Connection::action`], [`Connection::flow`] and others.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `run` or `run_many` is called"]
pub struct InvocableAction {
    connection: Connection,
    kind: ActionKind,
    name: String,
    description: Option<ActionDescription>,
}

/// What an action returned for one input. `Debug` omits the values.
#[derive(Clone, PartialEq, Eq)]
pub struct ActionOutput(Bytes);

impl std::fmt::Debug for ActionOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActionOutput").finish_non_exhaustive()
    }
}

impl ActionOutput {
    /// Reads the output values into a struct. An action without outputs returns `null`: read it into an `Option`.
    ///
    /// # Errors
    /// [`Error::InvalidResponse`](crate::Error::InvalidResponse) if the values do not fit `T`.
    pub fn values<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(decode::json(&self.0)?)
    }
}

impl Connection {
    /// Returns an invocable action. An invalid name is an error of its methods.
    pub fn action(&self, kind: ActionKind, name: impl Into<String>) -> InvocableAction {
        InvocableAction { connection: self.clone(), kind, name: name.into(), description: None }
    }

    /// Returns an autolaunched flow, by its API name.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// #[derive(serde::Serialize)]
    /// struct Order { amount: u32 }
    /// #[derive(serde::Deserialize)]
    /// struct Discount { discount: u32, #[serde(rename = "Flow__InterviewStatus")] status: String }
    ///
    /// let output = sf.flow("Discount").run(&Order { amount: 120 }).await?;
    /// let discount: Discount = output.values()?;
    /// assert_eq!((discount.discount, &*discount.status), (10, "Finished"));
    ///
    /// // One result for each input: a failed one leaves the others alone.
    /// let results = sf.flow("Discount").run_many(&[Order { amount: 1 }, Order { amount: 13 }]).await?;
    /// assert!(results[0].is_ok() && results[1].is_err());
    /// # Ok(()) });
    /// ```
    pub fn flow(&self, name: impl Into<String>) -> InvocableAction {
        self.action(ActionKind::Flow, name)
    }

    /// Returns an invocable method of an Apex class, by the name of the class: `Ship`, or `acme__Ship` of a package.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// #[derive(serde::Deserialize)]
    /// struct Shipped { tracking: String }
    ///
    /// let order = serde_json::json!({ "order": "A-17" });
    /// let shipped: Shipped = sf.apex_action("Ship").run(&order).await?.values()?;
    /// # assert_eq!(shipped.tracking, "1Z");
    /// # Ok(()) });
    /// ```
    pub fn apex_action(&self, name: impl Into<String>) -> InvocableAction {
        self.action(ActionKind::Apex, name)
    }

    /// Returns an action of Salesforce, for example `emailSimple`.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let mail = serde_json::json!({
    ///     "emailAddresses": "ada@example.com", "emailSubject": "Shipped", "emailBody": "Your order is on its way.",
    /// });
    /// sf.standard_action("emailSimple").run(&mail).await?;
    /// # Ok(()) });
    /// ```
    pub fn standard_action(&self, name: impl Into<String>) -> InvocableAction {
        self.action(ActionKind::Standard, name)
    }

    /// Returns the actions of a kind that the user may run.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::actions::ActionKind;
    ///
    /// let flows = sf.actions(&ActionKind::Flow).await?;
    /// assert_eq!(flows[0].name, "Discount");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn actions(&self, kind: &ActionKind) -> Result<Vec<ActionSummary>> {
        #[derive(Deserialize)]
        struct List {
            actions: Vec<ActionSummary>,
        }
        let list: List = self.read(ResourcePath::versioned(self.api_version(), &kind.path()?)?).await?;
        Ok(list.actions)
    }
}

impl InvocableAction {
    /// Returns the inputs and outputs of the action. Costs one request.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let flow = sf.flow("Discount");
    /// let described = flow.describe().await?;
    /// assert!(described.inputs.iter().any(|input| input.name == "amount" && input.required));
    /// // From now on inputs are checked before they are sent.
    /// let flow = flow.described(described);
    /// assert!(flow.run(&serde_json::json!({ "amout": 5 })).await.is_err());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownResource`](crate::Error::UnknownResource) if the org has no such action or the user may not use it;
    /// otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn describe(&self) -> Result<ActionDescription> {
        let described = self.connection.read(self.path()?).await;
        described.map_err(|error| error.or_unknown("action", &self.name))
    }

    /// Returns the action with its description: inputs are checked against it before anything is sent.
    pub fn described(self, description: ActionDescription) -> Self {
        Self { description: Some(description), ..self }
    }

    /// Runs the action for one input, and returns its output. Never retried once Salesforce may have received it.
    ///
    /// # Errors
    /// - [`InvalidActionInput`] in [`Error::InvalidRequest`](crate::Error::InvalidRequest) before anything is sent
    /// - [`Error::Api`](crate::Error::Api) with Salesforce's reasons if the action failed
    /// - [`Error::UnknownResource`](crate::Error::UnknownResource) if the org has no such action
    /// - otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send)
    pub async fn run<I: Serialize>(&self, input: &I) -> Result<ActionOutput> {
        let mut results = self.run_many(std::slice::from_ref(input)).await?;
        match results.pop() {
            Some(result) => Ok(result?),
            None => Err(InvalidResponse::Unexpected("no result of an action").into()),
        }
    }

    /// Runs the action for several inputs in one request, and returns one result for each.
    ///
    /// The results come in Salesforce's order: that of the inputs, as in the guide's examples (unverified).
    ///
    /// A failed input does not undo the others, unless the action itself does so.
    ///
    /// # Errors
    /// As [`run`](Self::run), without the errors of single inputs.
    pub async fn run_many<I: Serialize>(
        &self,
        inputs: &[I],
    ) -> Result<Vec<Result<ActionOutput, FailedAction>>> {
        #[derive(Serialize)]
        struct Body<'a, I> {
            inputs: &'a [I],
        }
        let body = decode::body(&Body { inputs })?;
        self.check(&body, inputs.len()).map_err(InvalidRequest::ActionInput)?;
        let mut request = ApiRequest::new(Method::POST, self.path()?).json(body).no_retry();
        request.returns_results = true;
        let sent = self.connection.send(request).await;
        let response = sent.map_err(|error| error.or_unknown("action", &self.name))?;
        let results = read(decode::json_of(&response)?, &response.body, inputs.len())?;
        if results.len() != inputs.len() {
            return Err(InvalidResponse::Unexpected("another number of results than inputs").into());
        }
        Ok(results)
    }

    fn path(&self) -> Result<ResourcePath> {
        let resource = format!("{}/{}", self.kind.path()?, action_segment(&self.name)?);
        Ok(ResourcePath::versioned(self.connection.api_version(), &resource)?)
    }

    /// Checks the inputs as they are written: each an object, and as the description says if there is one.
    fn check(&self, body: &[u8], count: usize) -> Result<(), InvalidActionInput> {
        #[derive(Deserialize)]
        struct Written<'a> {
            #[serde(borrow)]
            inputs: Vec<&'a RawValue>,
        }
        if count == 0 {
            return Err(InvalidActionInput::Empty);
        }
        let written: Written<'_> = serde_json::from_slice(body).map_err(|_| InvalidActionInput::Empty)?;
        for (index, input) in written.inputs.into_iter().enumerate() {
            let members: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(input.get()).map_err(|_| InvalidActionInput::NotAnObject { index })?;
            let Some(description) = &self.description else { continue };
            let is_known = |name: &str| description.inputs.iter().any(|input| input.name == name);
            if let Some(name) = members.keys().find(|name| !is_known(name)) {
                return Err(InvalidActionInput::Unknown { index, name: name.clone() });
            }
            let is_missing = |name: &str| members.get(name).is_none_or(serde_json::Value::is_null);
            let required = description.inputs.iter().filter(|input| input.required);
            if let Some(missing) = required.map(|input| &input.name).find(|name| is_missing(name)) {
                return Err(InvalidActionInput::Missing { index, name: missing.clone() });
            }
            let given =
                description.inputs.iter().filter_map(|input| Some((input, members.get(&input.name)?)));
            if let Some((input, _)) = given.into_iter().find(|(input, value)| !input.takes(value)) {
                return Err(InvalidActionInput::Type {
                    index,
                    name: input.name.clone(),
                    expected: input.kind.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Reads the results: a list, or a single one, as the guide shows for one input.
fn read(
    json: &[u8],
    body: &Bytes,
    count: usize,
) -> Result<Vec<Result<ActionOutput, FailedAction>>, InvalidResponse> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RawResult<'a> {
        is_success: bool,
        #[serde(borrow, default)]
        errors: Option<&'a RawValue>,
        #[serde(borrow, deserialize_with = "crate::request::decode::present")]
        output_values: Option<&'a RawValue>,
    }
    let result = |element: &[u8]| {
        let raw: RawResult<'_> = decode::json(element)?;
        Ok(if raw.is_success {
            let values = raw.output_values.map(|values| body.slice_ref(values.get().as_bytes()));
            Ok(ActionOutput(values.unwrap_or(Bytes::from_static(b"null"))))
        } else {
            Err(FailedAction::read(raw.errors))
        })
    };
    if json.trim_ascii_start().starts_with(b"{") {
        return Ok(vec![result(json)?]);
    }
    let text = std::str::from_utf8(json).map_err(|_| InvalidResponse::Unexpected("not a list of results"))?;
    // One more than there are inputs, so that a surplus is noticed.
    let elements = error_body::elements(text, count.saturating_add(1));
    let elements = elements.ok_or(InvalidResponse::Unexpected("not a list of results"))?;
    elements.into_iter().map(|element| result(element.get().as_bytes())).collect()
}
