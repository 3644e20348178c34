//! Sandboxes and scratch orgs, where their users may not come in.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, oneshot};
use url::Url;

use super::{
    GrantHandle, GrantManager, LogInError,
    admission::{NotDecided, RefusedOrg, TIMEOUT, VerifiedLogin},
};
use crate::base::{evicting_map::EvictingMap, lock::lock};
use salesforce_connection::{
    Connection, Error, OrgId, UserId,
    oauth::{LoginHost, OAuthError},
};

/// How long after an outage, of an org or of one user's requests, the question is sent again. Until then requests get 503
/// without a wait.
const OUTAGE_PAUSE: Duration = Duration::from_secs(5);
/// How long after a user's token could not read it the question is sent with this token again.
const NOT_SAID_PAUSE: Duration = Duration::from_secs(60);
/// How long after one question without a response in time another user's means that the org is down.
const TIMED_OUT_TOGETHER: Duration = Duration::from_secs(15);

const NOT_SAID: &str = "an org did not say whether it is a sandbox";
const QUESTION: &str = "asking whether the organization is a sandbox";

/// Which orgs are sandboxes, and whether their users may come in.
#[derive(Default)]
pub(super) struct Sandboxes {
    are_refused: bool,
    /// What the orgs said, as far as this process has asked.
    known: Mutex<EvictingMap<OrgId, bool>>,
    /// The orgs of stored grants that have not said it yet. One question at a time is sent to one of them.
    questions: Mutex<EvictingMap<OrgId, Arc<AsyncMutex<Question>>>>,
}

/// How the questions to an org have ended that it has not decided.
#[derive(Default)]
pub(super) struct Question {
    outage_until: Option<Instant>,
    /// The latest question without a response in time.
    timed_out: Option<(UserId, Instant)>,
    /// How the questions with the tokens of these users ended.
    users: EvictingMap<UserId, Pause>,
}

/// For how long the token of a user is not used again for the question.
struct Pause {
    until: Instant,
    /// Whether the org responded that this user cannot read it, rather than that the request failed.
    is_not_said: bool,
}

/// Whether a stored grant counts where sandboxes may not come in.
pub(super) enum StoredAdmission {
    Allowed,
    Refused,
    Undecided(Undecided),
    /// Salesforce has just ended the grant itself, for this reason if it gave one.
    Ended(Option<Arc<OAuthError>>),
}

impl StoredAdmission {
    fn of(is_let_in: bool) -> Self {
        if is_let_in { Self::Allowed } else { Self::Refused }
    }
}

/// Whether the org of a stored grant may come in cannot be found out for now. The login stays.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Undecided(Arc<NotDecided>);

impl From<NotDecided> for Undecided {
    fn from(cause: NotDecided) -> Self {
        Self(Arc::new(cause))
    }
}

impl From<Undecided> for Error {
    fn from(undecided: Undecided) -> Self {
        Self::unavailable(OUTAGE_PAUSE, undecided)
    }
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

    pub(super) fn question(&self, org: OrgId) -> Arc<AsyncMutex<Question>> {
        let mut questions = lock(&self.questions);
        if let Some(known) = questions.get(&org) {
            return Arc::clone(known);
        }
        let question = Arc::default();
        questions.insert(org, Arc::clone(&question), |question| Arc::strong_count(question) > 1);
        question
    }
}

/// Why an org did not say whether it is a sandbox.
enum NoResponse {
    NotDecided(NotDecided),
    /// The grant of the question has ended.
    GrantEnded(Option<Arc<OAuthError>>),
}

impl Question {
    /// Returns what an earlier question says about this user's grant, if it is not to be sent again now.
    fn earlier(&self, user: UserId, now: Instant) -> Option<StoredAdmission> {
        let failed_before = StoredAdmission::Undecided(NotDecided::FailedBefore(QUESTION).into());
        if self.outage_until.is_some_and(|until| now < until) {
            return Some(failed_before);
        }
        let pause = self.users.get(&user).filter(|pause| now < pause.until)?;
        Some(if pause.is_not_said { StoredAdmission::Refused } else { failed_before })
    }

    /// Notes how a question failed.
    fn failed(&mut self, user: UserId, error: &NotDecided, now: Instant) {
        // One may have waited for the refresh of its user's token. Two of different users are an outage of the org.
        let is_of_user = match error {
            NotDecided::TimedOut(_) => {
                let others =
                    self.timed_out.filter(|(other, at)| *other != user && now < *at + TIMED_OUT_TOGETHER);
                self.timed_out = Some((user, now));
                others.is_none()
            }
            error => error.is_of_user(),
        };
        match is_of_user {
            true => self.pause(user, OUTAGE_PAUSE, false, now),
            false => self.outage_until = Some(now + OUTAGE_PAUSE),
        }
    }

    fn pause(&mut self, user: UserId, pause: Duration, is_not_said: bool, now: Instant) {
        self.users.insert(user, Pause { until: now + pause, is_not_said }, |pause| now < pause.until);
    }
}

impl GrantManager {
    /// Returns whether a stored grant counts where sandboxes may not come in, if that is known without a question.
    pub(super) fn is_let_in_now(&self, grant: &GrantHandle) -> Option<bool> {
        let sandboxes = &self.config.admission.sandboxes;
        if !sandboxes.are_refused {
            return Some(true);
        }
        sandboxes.is_sandbox(grant.key().user().organization_id).map(|is_sandbox| !is_sandbox)
    }

    /// Returns whether a stored grant counts where sandboxes may not come in. An org that has not said yet what it is, is
    /// asked with this grant, by one question of the process at a time, until it has said it.
    ///
    /// An org that does not say it to the user is refused for a minute, unless the token of another user could read it.
    pub(super) async fn is_let_in(self: &Arc<Self>, grant: &GrantHandle) -> StoredAdmission {
        if let Some(is_let_in) = self.is_let_in_now(grant) {
            return StoredAdmission::of(is_let_in);
        }
        let user = grant.key().user();
        let question = self.config.admission.sandboxes.question(user.organization_id);
        let timed_out = || StoredAdmission::Undecided(NotDecided::TimedOut(QUESTION).into());
        let Ok(question) = tokio::time::timeout(TIMEOUT, question.lock_owned()).await else {
            return timed_out();
        };
        // Another request has asked meanwhile.
        if let Some(is_let_in) = self.is_let_in_now(grant) {
            return StoredAdmission::of(is_let_in);
        }
        if let Some(earlier) = question.earlier(user.user_id, self.config.clock.instant()) {
            return earlier;
        }
        // No request owns the question: one that goes away would leave it to the next request to find the org down.
        let (sender, receiver) = oneshot::channel();
        let (manager, grant) = (Arc::clone(self), grant.clone());
        self.config.background.spawn(async move {
            let _ = sender.send(manager.send_question(grant, question).await);
        });
        receiver.await.unwrap_or_else(|_| timed_out())
    }

    /// Sends the question, and notes how it ended.
    async fn send_question(
        self: Arc<Self>,
        grant: GrantHandle,
        mut question: OwnedMutexGuard<Question>,
    ) -> StoredAdmission {
        let user = grant.key().user();
        let connection = Connection::new(&self.config.client, Arc::new(grant)).with_timeout(TIMEOUT);
        let response = fetch_is_sandbox(&connection).await;
        let now = self.config.clock.instant();
        match response {
            Ok(Some(is_sandbox)) => {
                self.config.admission.sandboxes.remember(user.organization_id, is_sandbox);
                StoredAdmission::of(!is_sandbox)
            }
            Ok(None) => {
                question.pause(user.user_id, NOT_SAID_PAUSE, true, now);
                StoredAdmission::Refused
            }
            Err(NoResponse::GrantEnded(reason)) => StoredAdmission::Ended(reason),
            Err(NoResponse::NotDecided(error)) => {
                tracing::warn!(%error, org = %user.organization_id, "{NOT_SAID}");
                question.failed(user.user_id, &error, now);
                StoredAdmission::Undecided(error.into())
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
                let asked = match fetch_is_sandbox(login.connection()).await {
                    Ok(said) => said,
                    Err(NoResponse::NotDecided(error)) => return Err(error.into()),
                    // Salesforce has just issued this token, and its API does not accept it.
                    Err(NoResponse::GrantEnded(_)) => None,
                };
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
async fn fetch_is_sandbox(connection: &Connection) -> Result<Option<bool>, NoResponse> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Organization {
        is_sandbox: Option<bool>,
    }

    let query = connection.query::<Organization>("SELECT IsSandbox FROM Organization LIMIT 1");
    match tokio::time::timeout(TIMEOUT, query.fetch_optional()).await {
        Err(_) => Err(NoResponse::NotDecided(NotDecided::TimedOut(QUESTION))),
        Ok(Err(error)) if error.is_transient() => {
            Err(NoResponse::NotDecided(NotDecided::Failed(QUESTION, error.into())))
        }
        Ok(Err(Error::LoginRefused(reason))) => Err(NoResponse::GrantEnded(Some(reason))),
        Ok(Err(error)) if error.needs_login() => Err(NoResponse::GrantEnded(None)),
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
