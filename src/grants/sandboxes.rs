//! Sandboxes and scratch orgs, where their users may not come in.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::Deserialize;
use url::Url;

use super::{
    GrantHandle, GrantManager, LogInError,
    admission::{NotDecided, RefusedOrg, TIMEOUT, VerifiedLogin},
};
use crate::base::{evicting_map::EvictingMap, lock::lock};
use salesforce_connection::{Connection, OrgId, oauth::LoginHost};

/// How long after a failure the question is sent again.
const FETCH_AGAIN: Duration = Duration::from_secs(60);

const NOT_SAID: &str = "an org did not say whether it is a sandbox";

/// Which orgs are sandboxes, and whether their users may come in.
#[derive(Default)]
pub(super) struct Sandboxes {
    are_refused: bool,
    /// What the orgs said, as far as this process has asked.
    known: Mutex<EvictingMap<OrgId, bool>>,
    /// The orgs of stored grants that this process has asked, and when it may ask again: never, or after a failure.
    asked: Mutex<EvictingMap<OrgId, Option<Instant>>>,
}

impl Sandboxes {
    pub(super) fn new(are_refused: bool) -> Self {
        Self { are_refused, known: Mutex::default(), asked: Mutex::default() }
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

    /// Returns whether this caller is the one to send the question to an org whether it is a sandbox, for the logins from
    /// before.
    fn has_to_fetch(&self, org: OrgId, now: Instant) -> bool {
        if !self.are_refused || self.is_sandbox(org).is_some() {
            return false;
        }
        let mut asked = lock(&self.asked);
        let is_due = asked.get(&org).is_none_or(|again_at| again_at.is_some_and(|again_at| now >= again_at));
        if is_due {
            asked.insert(org, None, |_| false);
        }
        is_due
    }

    /// An org could not be reached.
    fn fetch_again_at(&self, org: OrgId, at: Instant) {
        lock(&self.asked).insert(org, Some(at), |_| false);
    }
}

impl GrantManager {
    /// Fetches from the org of a stored grant in the background whether it is a sandbox, once in a process. Until it responds,
    /// the names of its hosts decide. After a failure the question is sent again in [`FETCH_AGAIN`]; an org that does not say
    /// it gets the question again at the next login.
    pub(super) fn fetch_whether_sandbox(self: &Arc<Self>, grant: &GrantHandle) {
        let org = grant.key().user().organization_id;
        if !self.config.admission.sandboxes.has_to_fetch(org, self.config.clock.instant()) {
            return;
        }
        let (manager, grant) = (Arc::clone(self), grant.clone());
        self.config.background.spawn(async move {
            let connection = Connection::new(&manager.config.client, Arc::new(grant)).with_timeout(TIMEOUT);
            match fetch_is_sandbox(&connection).await {
                Ok(Some(is_sandbox)) => {
                    manager.config.admission.sandboxes.remember(org, is_sandbox);
                }
                // A later login sends the question again, and refuses an org that does not say it.
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, %org, "{NOT_SAID}");
                    let again_at = manager.config.clock.instant() + FETCH_AGAIN;
                    manager.config.admission.sandboxes.fetch_again_at(org, again_at);
                }
            }
        });
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
    fn an_org_gets_the_question_once_and_again_a_minute_after_a_failure() {
        let (org, now) = ("00D000000000001EAA".parse().unwrap(), Instant::now());
        let sandboxes = Sandboxes::new(true);
        assert!(sandboxes.has_to_fetch(org, now));
        assert!(!sandboxes.has_to_fetch(org, now + FETCH_AGAIN * 100), "under way, or not said");
        sandboxes.fetch_again_at(org, now + FETCH_AGAIN);
        assert!(!sandboxes.has_to_fetch(org, now));
        assert!(sandboxes.has_to_fetch(org, now + FETCH_AGAIN));
        sandboxes.fetch_again_at(org, now);
        sandboxes.remember(org, false);
        assert!(!sandboxes.has_to_fetch(org, now + FETCH_AGAIN), "it is known");
        assert!(!Sandboxes::new(false).has_to_fetch(org, now), "sandboxes may come in");
    }

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
