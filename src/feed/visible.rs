//! [`Visibility`]: which records the user of a page may read.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use salesforce_connection::{Connection, Error, Result, SalesforceId, events::ChangeKind};
use serde::Deserialize;
use tokio::time::Instant;

use super::message::Message;

/// How long an id counts as readable or not without another query.
const CACHED: Duration = Duration::from_secs(60);

/// Ids in one query: one page of the smallest size that Salesforce has.
const IDS_PER_QUERY: usize = 200;

/// Largest number of ids whose result one page stores, some 1 MiB. One batch may exceed it; then all are forgotten.
const MAX_KNOWN: usize = 10_000;

/// What is known of the records of events, for the user of one page.
pub(super) struct Visibility {
    connection: Connection,
    known: HashMap<String, (bool, Instant)>,
}

impl Visibility {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, known: HashMap::new() }
    }

    /// Returns whether the records of a message were asked for.
    pub(super) fn has_asked(&self, message: &Message) -> bool {
        match message.records() {
            None | Some((_, ChangeKind::Delete, _)) => true,
            Some((_, _, ids)) => ids.iter().all(|id| self.known.contains_key(id)),
        }
    }

    /// Returns whether the user may read a record. False for one that was not asked for.
    pub(super) fn is_readable(&self, id: &str) -> bool {
        self.known.get(id).is_some_and(|(is_readable, _)| *is_readable)
    }

    /// Asks Salesforce for the records of messages that are not known.
    pub(super) async fn ask(&mut self, messages: &[Arc<Message>]) -> Result<()> {
        let is_full = self.known.len() > MAX_KNOWN;
        self.known.retain(|_, (_, asked_at)| !is_full && asked_at.elapsed() < CACHED);
        let mut unknown: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
        for (object, kind, ids) in messages.iter().filter_map(|message| message.records()) {
            // A deleted record is found by no query.
            if kind != ChangeKind::Delete {
                let ids = ids.iter().filter(|id| !self.known.contains_key(*id));
                unknown.entry(object).or_default().extend(ids);
            }
        }
        for (object, ids) in unknown {
            let ids: Vec<&String> = ids.into_iter().collect();
            for ids in ids.chunks(IDS_PER_QUERY) {
                let readable = self.readable(object, ids).await?;
                let now = Instant::now();
                self.known.extend(ids.iter().map(|id| ((*id).clone(), (readable.contains(*id), now))));
            }
        }
        Ok(())
    }

    /// Returns which of these records the user may read. None if the user may not read the object.
    async fn readable(&self, object: &str, ids: &[&String]) -> Result<HashSet<String>> {
        #[derive(Deserialize)]
        struct Row {
            #[serde(rename = "Id")]
            id: String,
        }
        if !object.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Ok(HashSet::new());
        }
        // One that is no id would fail the query for all others.
        let ids: Vec<SalesforceId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let query = format!("SELECT Id FROM {object} WHERE Id IN :ids");
        match self.connection.query::<Row>(query).bind("ids", ids).fetch_all().await {
            Ok(rows) => Ok(rows.into_iter().map(|row| row.id).collect()),
            Err(error) if is_refusal(&error) => Ok(HashSet::new()),
            Err(error) => Err(error),
        }
    }
}

/// Codes by which Salesforce says that the user may not read the object, or use the API.
const REFUSALS: [&str; 7] = [
    "INVALID_TYPE",
    "INSUFFICIENT_ACCESS",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "API_DISABLED_FOR_ORG",
    "API_CURRENTLY_DISABLED",
    "RESTAPINOTENABLED",
    "CLIENT_NOT_ACCESSIBLE_FOR_USER",
];

/// Whether an error says that the user may not read the object. Any other one says nothing about the records, whatever its
/// status: they must not be left out for it.
fn is_refusal(error: &Error) -> bool {
    error.api_errors().iter().any(|error| REFUSALS.contains(&error.code.as_str()))
}
