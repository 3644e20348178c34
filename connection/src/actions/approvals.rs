//! [`Approvals`]: submits records to approval processes, approves and rejects them.
//!
//! Source: REST API Developer Guide, "Process Approvals" and "Submit, Approve, or Reject Process Approvals".

use std::collections::BTreeMap;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::FailedAction;
use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    id::{InvalidId, SalesforceId, UserId},
    records::record_id::ToRecordId,
    request::{decode, path::ResourcePath, send::ApiRequest},
};

const RESOURCE: &str = "process/approvals";

/// The approval processes of the org, returned by [`Connection::approvals`].
#[derive(Debug, Clone)]
pub struct Approvals(Connection);

/// An approval process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ApprovalProcess {
    /// The id.
    pub id: SalesforceId,
    /// The name.
    pub name: String,
    /// The object whose records it is for.
    pub object: String,
    /// What an administrator wrote about it.
    #[serde(default)]
    pub description: Option<String>,
}

/// One step of an approval: submit, approve or reject.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "nothing is sent before it is passed to `Approvals::send`"]
pub struct ApprovalRequest {
    action_type: &'static str,
    context_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comments: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    next_approver_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_actor_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_definition_name_or_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_entry_criteria: Option<bool>,
}

/// How one step of an approval ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApprovalOutcome {
    /// The record that is approved.
    pub record_id: SalesforceId,
    /// The run of the process.
    pub instance_id: SalesforceId,
    /// The state of the run: `Pending`, `Approved`, `Rejected`, `Removed`.
    pub status: String,
    /// What the next approvers are asked for. Approve or reject these ids.
    pub new_work_items: Vec<SalesforceId>,
    /// Who has to decide next.
    pub actor_ids: Vec<SalesforceId>,
}

impl ApprovalRequest {
    fn new(action_type: &'static str, context: impl ToRecordId) -> Result<Self, InvalidId> {
        Ok(Self {
            action_type,
            context_id: context.to_record_id()?.to_string(),
            comments: None,
            next_approver_ids: Vec::new(),
            context_actor_id: None,
            process_definition_name_or_id: None,
            skip_entry_criteria: None,
        })
    }

    /// Submits a record for approval.
    ///
    /// # Errors
    /// [`InvalidId`] if the text is not an id.
    pub fn submit(record: impl ToRecordId) -> Result<Self, InvalidId> {
        Self::new("Submit", record)
    }

    /// Approves a work item, which a submission returned. The user has to be one of its approvers.
    ///
    /// # Errors
    /// [`InvalidId`] if the text is not an id.
    pub fn approve(work_item: impl ToRecordId) -> Result<Self, InvalidId> {
        Self::new("Approve", work_item)
    }

    /// Rejects a work item. The user has to be one of its approvers.
    ///
    /// # Errors
    /// [`InvalidId`] if the text is not an id.
    pub fn reject(work_item: impl ToRecordId) -> Result<Self, InvalidId> {
        Self::new("Reject", work_item)
    }

    /// Sets the comment in the history of the approval. Default: none.
    pub fn comments(self, comments: impl Into<String>) -> Self {
        Self { comments: Some(comments.into()), ..self }
    }

    /// Sets the next approvers, for a process that lets the submitter choose them. Default: none.
    pub fn next_approvers(self, users: impl IntoIterator<Item = UserId>) -> Self {
        Self { next_approver_ids: users.into_iter().map(|user| user.to_string()).collect(), ..self }
    }

    /// Sets the user in whose name a record is submitted. Default: the user of the connection.
    pub fn submitter(self, user: UserId) -> Self {
        Self { context_actor_id: Some(user.to_string()), ..self }
    }

    /// Sets the process, by developer name or id. Default: the first one whose criteria the record meets.
    pub fn process(self, name_or_id: impl Into<String>) -> Self {
        Self { process_definition_name_or_id: Some(name_or_id.into()), ..self }
    }

    /// Submits the record also if it does not meet the criteria of the [`process`](Self::process).
    pub fn skip_entry_criteria(self) -> Self {
        Self { skip_entry_criteria: Some(true), ..self }
    }
}

impl Connection {
    /// Returns the approval processes of the org.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let account = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// use salesforce_connection::actions::ApprovalRequest;
    ///
    /// let approvals = sf.approvals();
    /// let submitted = approvals.send_one(ApprovalRequest::submit(account)?.comments("please")).await?;
    /// assert_eq!(submitted.status, "Pending");
    /// let approved = approvals.send_one(ApprovalRequest::approve(submitted.new_work_items[0])?).await?;
    /// assert_eq!(approved.status, "Approved");
    /// # Ok(()) });
    /// ```
    pub fn approvals(&self) -> Approvals {
        Approvals(self.clone())
    }
}

impl Approvals {
    /// Returns the processes by object.
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn list(&self) -> Result<BTreeMap<String, Vec<ApprovalProcess>>> {
        #[derive(Deserialize)]
        struct List {
            approvals: BTreeMap<String, Vec<ApprovalProcess>>,
        }
        let list: List = self.0.read(ResourcePath::versioned(self.0.api_version(), RESOURCE)?).await?;
        Ok(list.approvals)
    }

    /// Sends one step. Never retried once Salesforce may have received it.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with Salesforce's reasons if the step failed; otherwise as
    /// [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn send_one(&self, request: ApprovalRequest) -> Result<ApprovalOutcome> {
        match self.send(&[request]).await?.pop() {
            Some(result) => Ok(result?),
            None => Err(InvalidResponse::Unexpected("no result of an approval").into()),
        }
    }

    /// Sends several steps in one request. Those that succeed stay, also if others fail.
    ///
    /// The results come in Salesforce's order, which is not that of the requests: see
    /// [`record_id`](ApprovalOutcome::record_id).
    ///
    /// # Errors
    /// As [`send_one`](Self::send_one), without the errors of single steps.
    pub async fn send(
        &self,
        requests: &[ApprovalRequest],
    ) -> Result<Vec<Result<ApprovalOutcome, FailedAction>>> {
        #[derive(Serialize)]
        struct Body<'a> {
            requests: &'a [ApprovalRequest],
        }
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let path = ResourcePath::versioned(self.0.api_version(), RESOURCE)?;
        let mut request =
            ApiRequest::new(Method::POST, path).json(decode::body(&Body { requests })?).no_retry();
        request.returns_results = true;
        let response = self.0.send(request).await?;
        let results = decode::elements(decode::json_of(&response)?, requests.len().saturating_add(1))?;
        if results.len() != requests.len() {
            return Err(InvalidResponse::Unexpected("another number of results than approvals").into());
        }
        results.into_iter().map(|result| Ok(outcome(result)?)).collect()
    }
}

fn outcome(json: &RawValue) -> Result<Result<ApprovalOutcome, FailedAction>, InvalidResponse> {
    #[derive(Deserialize)]
    struct Success<'a> {
        success: bool,
        #[serde(borrow, default)]
        errors: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RawOutcome {
        entity_id: SalesforceId,
        instance_id: SalesforceId,
        instance_status: String,
        /// The guide's example and its table write the name differently.
        #[serde(alias = "newWorkItemIds", deserialize_with = "crate::request::decode::present")]
        new_workitem_ids: Option<Vec<SalesforceId>>,
        #[serde(deserialize_with = "crate::request::decode::present")]
        actor_ids: Option<Vec<SalesforceId>>,
    }
    let success: Success<'_> = decode::json(json.get().as_bytes())?;
    if !success.success {
        return Ok(Err(FailedAction::read(success.errors)));
    }
    let raw: RawOutcome = decode::json(json.get().as_bytes())?;
    Ok(Ok(ApprovalOutcome {
        record_id: raw.entity_id,
        instance_id: raw.instance_id,
        status: raw.instance_status,
        new_work_items: raw.new_workitem_ids.unwrap_or_default(),
        actor_ids: raw.actor_ids.unwrap_or_default(),
    }))
}
