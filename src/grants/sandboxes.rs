//! Sandboxes and scratch orgs, where their users may not come in.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard, oneshot},
    time::timeout_at,
};
use url::Url;

use super::{
    GrantHandle, GrantManager, LogInError,
    admission::{NotDecided, RefusedOrg, TIMEOUT, VerifiedLogin},
};
use crate::base::{backoff::Backoff, evicting_map::EvictingMap, lock::lock};
use salesforce_connection::{
    Connection, Error, OrgId, UserId,
    oauth::{LoginHost, OAuthError},
};

/// How long after an outage, of an org or of one user's requests, the question is sent again. Until then requests get 503
/// without a wait. Each outage in a row doubles it.
const OUTAGE_PAUSE: Duration = Duration::from_secs(5);
/// Longest such pause. An org that is back may stay closed for so long, so it is half a minute only.
const MAX_OUTAGE_PAUSE: Duration = Duration::from_secs(30);
/// How long a request waits for the orgs of all logins beside the one that it works with: short enough that a user hardly
/// notices, and longer than an org needs that is well.
pub(super) const BESIDE_WAIT: Duration = Duration::from_millis(500);
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
    /// The orgs of stored grants that have not said it yet.
    questions: Mutex<EvictingMap<OrgId, Arc<Questions>>>,
}

/// The questions to one org that has not said yet what it is.
#[derive(Default)]
pub(super) struct Questions {
    /// Held while one is sent: one at a time.
    pub(super) turn: Arc<AsyncMutex<()>>,
    ended: Mutex<Ended>,
}

/// How the questions to an org have ended that did not decide it.
#[derive(Default)]
struct Ended {
    outage: Option<Pause>,
    /// The latest question without a response in time.
    timed_out: Option<(UserId, Instant)>,
    /// How the questions with the tokens of these users ended.
    users: EvictingMap<UserId, Pause>,
}

/// For how long the question is not sent again, to an org or with the token of a user.
struct Pause {
    until: Instant,
    /// How many questions in a row failed before.
    failures: u32,
    /// Whether the org responded that this user cannot read it, rather than that the request failed.
    is_not_said: bool,
    /// Whether the failure took longer than [`BESIDE_WAIT`].
    was_slow: bool,
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

    pub(super) fn questions(&self, org: OrgId) -> Arc<Questions> {
        let mut all = lock(&self.questions);
        if let Some(known) = all.get(&org) {
            return Arc::clone(known);
        }
        let questions = Arc::default();
        all.insert(org, Arc::clone(&questions), |questions| Arc::strong_count(questions) > 1);
        questions
    }
}

/// Why an org did not say whether it is a sandbox.
enum NoResponse {
    NotDecided(NotDecided),
    /// The grant of the question has ended.
    GrantEnded(Option<Arc<OAuthError>>),
}

impl Ended {
    /// Returns what an earlier question says about this user's grant, if it is not to be sent again now.
    fn earlier(&self, user: UserId, now: Instant) -> Option<StoredAdmission> {
        let failed_before = StoredAdmission::Undecided(NotDecided::FailedBefore(QUESTION).into());
        if self.outage.as_ref().is_some_and(|pause| now < pause.until) {
            return Some(failed_before);
        }
        let pause = self.users.get(&user).filter(|pause| now < pause.until)?;
        Some(if pause.is_not_said { StoredAdmission::Refused } else { failed_before })
    }

    /// Returns whether the latest question for this user kept its request waiting for nothing.
    fn was_slow(&self, user: UserId) -> bool {
        self.outage.iter().chain(self.users.get(&user)).any(|pause| pause.was_slow)
    }

    /// Notes how a question failed that was sent at `sent_at`.
    fn failed(&mut self, user: UserId, error: &NotDecided, sent_at: Instant, now: Instant) {
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
        let before = if is_of_user { self.users.get(&user) } else { self.outage.as_ref() };
        let failures = before.map_or(0, |pause| pause.failures);
        let pause = Backoff { initial: OUTAGE_PAUSE, max: MAX_OUTAGE_PAUSE }.base(failures);
        let pause = Pause {
            until: now + pause,
            failures: failures.saturating_add(1),
            is_not_said: false,
            was_slow: now.saturating_duration_since(sent_at) >= BESIDE_WAIT,
        };
        match is_of_user {
            true => self.pause(user, pause, now),
            false => self.outage = Some(pause),
        }
    }

    /// Notes that the org did not say it to this user.
    fn not_said(&mut self, user: UserId, now: Instant) {
        let pause = Pause { until: now + NOT_SAID_PAUSE, failures: 0, is_not_said: true, was_slow: false };
        self.pause(user, pause, now);
    }

    fn pause(&mut self, user: UserId, pause: Pause, now: Instant) {
        self.users.insert(user, pause, |pause| now < pause.until);
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
        let questions = self.config.admission.sandboxes.questions(user.organization_id);
        let turn = Arc::clone(&questions.turn).lock_owned();
        let Ok(turn) = tokio::time::timeout(TIMEOUT, turn).await else {
            return timed_out();
        };
        // Another request has asked meanwhile.
        if let Some(is_let_in) = self.is_let_in_now(grant) {
            return StoredAdmission::of(is_let_in);
        }
        if let Some(earlier) = lock(&questions.ended).earlier(user.user_id, self.config.clock.instant()) {
            return earlier;
        }
        // A task owns the question, so that its outcome is noted even if the client disconnects.
        let (sender, receiver) = oneshot::channel();
        let (manager, grant) = (Arc::clone(self), grant.clone());
        self.config.background.spawn(async move {
            let _ = sender.send(manager.send_question(grant, &questions, turn).await);
        });
        receiver.await.unwrap_or_else(|_| timed_out())
    }

    /// As [`is_let_in`](Self::is_let_in), for a login beside the one that a request works with: waits until `until` only.
    /// Without a response by then it is not decided, and the question goes on. Where the question before was slow, nothing
    /// waits for it.
    pub(super) async fn is_let_in_until(
        self: &Arc<Self>,
        grant: &GrantHandle,
        until: tokio::time::Instant,
    ) -> StoredAdmission {
        let user = grant.key().user();
        let questions = self.config.admission.sandboxes.questions(user.organization_id);
        let was_slow = lock(&questions.ended).was_slow(user.user_id);
        // The first poll sends the question all the same.
        let until = if was_slow { tokio::time::Instant::now() } else { until };
        timeout_at(until, self.is_let_in(grant)).await.unwrap_or_else(|_| timed_out())
    }

    /// Sends the question, and notes how it ended.
    async fn send_question(
        self: Arc<Self>,
        grant: GrantHandle,
        questions: &Questions,
        _turn: OwnedMutexGuard<()>,
    ) -> StoredAdmission {
        let sent_at = self.config.clock.instant();
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
                lock(&questions.ended).not_said(user.user_id, now);
                StoredAdmission::Refused
            }
            Err(NoResponse::GrantEnded(reason)) => StoredAdmission::Ended(reason),
            Err(NoResponse::NotDecided(error)) => {
                tracing::warn!(%error, org = %user.organization_id, "{NOT_SAID}");
                lock(&questions.ended).failed(user.user_id, &error, sent_at, now);
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

fn timed_out() -> StoredAdmission {
    StoredAdmission::Undecided(NotDecided::TimedOut(QUESTION).into())
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
