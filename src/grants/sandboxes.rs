//! Sandboxes and scratch orgs, where their users may not come in.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;
use url::Url;

use super::{
    GrantHandle, GrantManager, LogInError,
    admission::{NotDecided, RefusedOrg, TIMEOUT, VerifiedLogin},
};
use crate::{
    base::{evicting_map::EvictingMap, lock::lock},
    store::StoreError,
};
use salesforce_connection::{Connection, OrgId, UserId, oauth::LoginHost};

/// How long after an outage the question is sent again. Until then requests get 503 without a wait.
const OUTAGE_PAUSE: Duration = Duration::from_secs(5);
/// How long after a user's token could not read it the question is sent with this token again.
const NOT_SAID_PAUSE: Duration = Duration::from_secs(60);

const NOT_SAID: &str = "an org did not say whether it is a sandbox";

/// Which orgs are sandboxes, and whether their users may come in.
#[derive(Default)]
pub(super) struct Sandboxes {
    are_refused: bool,
    /// What the orgs said, as far as this process has asked.
    known: Mutex<EvictingMap<OrgId, bool>>,
    /// The orgs of stored grants that have not said it yet. One request at a time asks one of them.
    questions: Mutex<EvictingMap<OrgId, Arc<AsyncMutex<Question>>>>,
}

/// How the questions to an org have ended that it has not decided.
#[derive(Default)]
struct Question {
    outage_until: Option<Instant>,
    /// The users whose tokens could not read it, and until when they are not used for it again.
    not_said: EvictingMap<UserId, Instant>,
}

impl Sandboxes {
    pub(super) fn new(are_refused: bool) -> Self {
        Self { are_refused, known: Mutex::default(), questions: Mutex::default() }
    }

    pub(super) fn are_refused(&self) -> bool {
        self.are_refused
    }

    fn remember(&self, org: OrgId, is_sandbox: bool) {
        lock(&self.known).insert(org, is_sandbox, |_| false);
    }

    /// Returns whether an org is a sandbox or a scratch org, and those may not come in: as this process has read it, else as
    /// the names of its hosts say. Nothing is asked of Salesforce for it.
    pub(super) fn refuses(&self, org: OrgId, host: &LoginHost, instance: &Url) -> bool {
        self.are_refused && self.is_sandbox(org).unwrap_or_else(|| is_named_as_sandbox(host, instance))
    }

    /// Returns whether an org is a sandbox, and those may not come in, as far as this process has read it.
    pub(super) fn is_refused_sandbox(&self, org: OrgId) -> bool {
        self.are_refused && self.is_sandbox(org) == Some(true)
    }

    fn is_sandbox(&self, org: OrgId) -> Option<bool> {
        lock(&self.known).get(&org).copied()
    }

    fn question(&self, org: OrgId) -> Arc<AsyncMutex<Question>> {
        let mut questions = lock(&self.questions);
        if let Some(known) = questions.get(&org) {
            return Arc::clone(known);
        }
        let question = Arc::default();
        questions.insert(org, Arc::clone(&question), |question| Arc::strong_count(question) > 1);
        question
    }
}

/// An org could not be asked a moment ago.
#[derive(Debug, thiserror::Error)]
#[error("asking whether the organization is a sandbox failed a moment ago")]
struct Pausing;

impl GrantManager {
    /// Returns whether a stored grant counts where sandboxes may not come in. An org that has not said yet what it is, is
    /// asked with this grant, once in a process.
    ///
    /// Undecided is refused: for a minute where the user's token cannot read it, unless a token of another user could.
    ///
    /// # Errors
    /// The org is down: the login stays, and the request gets 503.
    pub(super) async fn is_let_in(self: &Arc<Self>, grant: &GrantHandle) -> Result<bool, StoreError> {
        let sandboxes = &self.config.admission.sandboxes;
        if !sandboxes.are_refused {
            return Ok(true);
        }
        let user = grant.key().user();
        let org = user.organization_id;
        if let Some(is_sandbox) = sandboxes.is_sandbox(org) {
            return Ok(!is_sandbox);
        }
        let question = sandboxes.question(org);
        let asked = tokio::time::timeout(TIMEOUT, question.lock()).await;
        let mut question = asked.map_err(|_| StoreError::Unavailable(Pausing.into()))?;
        // Another request has asked meanwhile.
        if let Some(is_sandbox) = sandboxes.is_sandbox(org) {
            return Ok(!is_sandbox);
        }
        let now = self.config.clock.instant();
        let is_over = |until: &Instant| now >= *until;
        if question.outage_until.is_some_and(|until| !is_over(&until)) {
            return Err(StoreError::Unavailable(Pausing.into()));
        }
        if question.not_said.get(&user.user_id).is_some_and(|until| !is_over(until)) {
            return Ok(false);
        }
        let connection = Connection::new(&self.config.client, Arc::new(grant.clone())).with_timeout(TIMEOUT);
        match fetch_is_sandbox(&connection).await {
            Ok(Some(is_sandbox)) => {
                sandboxes.remember(org, is_sandbox);
                Ok(!is_sandbox)
            }
            Ok(None) => {
                question.not_said.insert(user.user_id, now + NOT_SAID_PAUSE, |until| !is_over(until));
                Ok(false)
            }
            Err(error) => {
                tracing::warn!(%error, %org, "{NOT_SAID}");
                if !error.is_of_user() {
                    question.outage_until = Some(self.config.clock.instant() + OUTAGE_PAUSE);
                }
                Err(StoreError::Unavailable(error.into()))
            }
        }
    }

    /// Refuses a login to a sandbox, or to an org that does not say whether it is one.
    pub(super) async fn refuse_sandbox(&self, login: &VerifiedLogin) -> Result<(), LogInError> {
        let org = login.organization_id;
        let sandboxes = &self.config.admission.sandboxes;
        let is_sandbox = match sandboxes.is_sandbox(org) {
            Some(is_sandbox) => Some(is_sandbox),
            None => {
                let asked = fetch_is_sandbox(login.connection()).await?;
                if let Some(is_sandbox) = asked {
                    sandboxes.remember(org, is_sandbox);
                }
                asked
            }
        };
        match is_sandbox {
            Some(false) => Ok(()),
            Some(true) => Err(RefusedOrg::Sandbox.into()),
            None if is_named_as_sandbox(&login.login_host, &login.instance_url) => {
                Err(RefusedOrg::Sandbox.into())
            }
            None => Err(RefusedOrg::PerhapsSandbox.into()),
        }
    }
}

/// Fetches from an org whether it is a sandbox; scratch orgs count as one. `None` if the user may not read it.
async fn fetch_is_sandbox(connection: &Connection) -> Result<Option<bool>, NotDecided> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Organization {
        is_sandbox: Option<bool>,
    }
    const WHAT: &str = "asking whether the organization is a sandbox";

    let query = connection.query::<Organization>("SELECT IsSandbox FROM Organization LIMIT 1");
    match tokio::time::timeout(TIMEOUT, query.fetch_optional()).await {
        Err(_) => Err(NotDecided::TimedOut(WHAT)),
        Ok(Err(error)) if error.is_transient() => Err(NotDecided::Failed(WHAT, error.into())),
        Ok(Err(error)) => {
            tracing::warn!(%error, org = %connection.organization_id(), "{NOT_SAID}");
            Ok(None)
        }
        Ok(Ok(organization)) => Ok(organization.and_then(|organization| organization.is_sandbox)),
    }
}

/// Returns whether a host says that it belongs to a sandbox or a scratch org: the shared login host of sandboxes, or a
/// label of a My Domain (Salesforce Help, "My Domain URL Formats").
fn is_named_as_sandbox(host: &LoginHost, instance: &Url) -> bool {
    let labels =
        |url: &Url, wanted: fn(&str) -> bool| url.host_str().is_some_and(|host| host.split('.').any(wanted));
    host.as_url().host_str() == Some("test.salesforce.com")
        || labels(instance, |label| matches!(label, "sandbox" | "scratch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_sandboxes_are_known_by_their_labels() {
        let named = |host: &str, instance: &str| {
            is_named_as_sandbox(&host.parse().unwrap(), &instance.parse().unwrap())
        };
        let production = "https://login.salesforce.com";
        assert!(named("https://test.salesforce.com", "https://acme.my.salesforce.com"));
        assert!(named(production, "https://acme--dev.sandbox.my.salesforce.com"));
        assert!(named(production, "https://acme-dev.scratch.my.salesforce.com"));
        for other in ["https://acme.my.salesforce.com", "https://sandbox-acme.my.salesforce.com"] {
            assert!(!named(production, other), "{other}");
        }
    }
}
