//! Reads grants out of the store: which of them count today, and why the others do not.

use std::{sync::Arc, time::Instant};

use url::Url;

use super::{
    GrantHandle, GrantManager, GrantTokens, Undecided, manager::absent_if_corrupt, pending_write,
    sandboxes::StoredAdmission, tokens::UnreadableGrant,
};
use crate::{
    base::lock::lock,
    store::{ConnectionName, GrantKey, GrantRecord, StoreError},
};
use salesforce_connection::{OrgId, UserRef, token::BrokenConnection};

/// Maximum number of hosts and orgs that are logged because stored grants belong to them.
const MAX_WARNINGS: usize = 16;

/// What the store has under the key of a grant.
#[derive(Debug)]
pub(crate) enum StoredGrant {
    Valid(GrantHandle),
    /// Salesforce refused it for good.
    Broken(BrokenConnection),
    /// The settings of today do not let its org in.
    OrgNotAllowed,
    /// Whether its org may come in cannot be found out for now.
    Undecided(Undecided),
    /// Nothing, or nothing that can be used.
    Absent,
}

impl GrantManager {
    /// Returns the stored grant of a user: that of today's credentials, else that of the previous ones.
    pub(crate) async fn grant_of(self: &Arc<Self>, user: UserRef) -> Result<StoredGrant, StoreError> {
        let mut found = StoredGrant::Absent;
        for app in self.config.apps.keys() {
            match (self.grant(GrantKey::new(app, user)).await?, &found) {
                (valid @ StoredGrant::Valid(_), _) => return Ok(self.if_let_in(valid, None).await),
                // Of two that are not usable, that of the current client id says why.
                (other, StoredGrant::Absent) => found = other,
                _ => {}
            }
        }
        Ok(found)
    }

    /// Returns a valid grant only if its org is no sandbox where sandboxes may not come in.
    ///
    /// `owned`: what its owner calls the connection, if it has one.
    pub(super) async fn if_let_in(
        self: &Arc<Self>,
        found: StoredGrant,
        owned: Option<&ConnectionName>,
    ) -> StoredGrant {
        let StoredGrant::Valid(grant) = &found else { return found };
        match self.is_let_in(grant).await {
            StoredAdmission::Allowed => found,
            StoredAdmission::Refused => StoredGrant::OrgNotAllowed,
            StoredAdmission::Undecided(cause) => StoredGrant::Undecided(cause),
            StoredAdmission::Ended(_) => grant.broken(owned).map_or(StoredGrant::Absent, StoredGrant::Broken),
        }
    }

    /// Returns the stored grant under `key`, whose org may not have said yet whether it is a sandbox.
    pub(crate) async fn grant(self: &Arc<Self>, key: GrantKey) -> Result<StoredGrant, StoreError> {
        let read_at = self.config.clock.instant();
        let record = absent_if_corrupt(self.config.store.load_grant(key).await)?;
        Ok(record.map_or(StoredGrant::Absent, |record| self.classify(&record, read_at)))
    }

    /// Returns what a record that was read at `read_at` is good for.
    pub(super) fn classify(self: &Arc<Self>, record: &GrantRecord, read_at: Instant) -> StoredGrant {
        match self.find(record, read_at) {
            Ok(grant) => StoredGrant::Valid(grant),
            Err(UnreadableGrant::Broken(broken)) => StoredGrant::Broken(self.connection_of(&broken)),
            Err(UnreadableGrant::OrgNotAllowed) => StoredGrant::OrgNotAllowed,
            Err(UnreadableGrant::Sealed | UnreadableGrant::UnknownApp | UnreadableGrant::HostNotAllowed) => {
                StoredGrant::Absent
            }
        }
    }

    /// Returns a handle on the grant of a record that was read at `read_at`, or `None` if the record is not usable.
    pub(super) fn handle(self: &Arc<Self>, record: &GrantRecord, read_at: Instant) -> Option<GrantHandle> {
        self.find(record, read_at).ok()
    }

    fn find(
        self: &Arc<Self>,
        record: &GrantRecord,
        read_at: Instant,
    ) -> Result<GrantHandle, UnreadableGrant> {
        if !self.owns(record.key) {
            if self.is_first_warning(&record.key.app().to_string()) {
                tracing::warn!(
                    grant = %record.key,
                    "stored logins ignored: they were given to a client id that the settings do not have (any more). Name it \
                     in SALESFORCE_PREVIOUS_CLIENT_ID while users still have logins of it"
                );
            }
            return Err(UnreadableGrant::UnknownApp);
        }
        let org = record.key.user().organization_id;
        if self.config.admission.sandboxes.is_refused_sandbox(org) {
            self.warn_of_sandbox(org);
            return Err(UnreadableGrant::OrgNotAllowed);
        }
        let entry = self.entry(record.key);
        if !entry.knows(record.version) {
            let tokens = self.open(record).inspect_err(|error| {
                if *error == UnreadableGrant::Sealed {
                    tracing::warn!(grant = %record.key, %error, "stored grant ignored");
                }
            })?;
            entry.adopt(tokens, read_at);
        } else if let Some(tokens) = entry.begin_repair(record.version, read_at) {
            let repair = pending_write::repair(Arc::clone(self), Arc::clone(&entry), tokens, record.clone());
            self.config.background.spawn(repair);
        }
        Ok(GrantHandle { entry, manager: Arc::clone(self) })
    }

    /// Opens a stored grant whose hosts this app may contact, and whose org the settings of today let in.
    pub(super) fn open(&self, record: &GrantRecord) -> Result<GrantTokens, UnreadableGrant> {
        let tokens = GrantTokens::open(&self.config.keys, record)?;
        let allowed_hosts = self.oauth().allowed_hosts();
        for url in [tokens.host.as_url(), tokens.access.instance_url()] {
            if allowed_hosts.check(url).is_err() {
                self.warn_of_host(url);
                return Err(UnreadableGrant::HostNotAllowed);
            }
        }
        let org = record.key.user().organization_id;
        if !self.config.host_orgs.accepts(&tokens.host, org) {
            if self.is_first_warning(&org.to_string()) {
                tracing::warn!(
                    organization_id = %org,
                    host = ?tokens.host,
                    "stored logins ignored: the settings do not let users of this organization in at this login host (any \
                     more). If they may come in, look at SALESFORCE_ALLOWED_ORGS and SALESFORCE_DENIED_ORGS, and at the \
                     host's orgs in SALESFORCE_LOGIN_HOSTS"
                );
            }
            return Err(UnreadableGrant::OrgNotAllowed);
        }
        if self.config.admission.sandboxes.refuses(org, &tokens.host, tokens.access.instance_url()) {
            self.warn_of_sandbox(org);
            return Err(UnreadableGrant::OrgNotAllowed);
        }
        Ok(tokens)
    }

    /// Logs once that the stored grants of an org do not count.
    fn warn_of_sandbox(&self, org: OrgId) {
        if self.is_first_warning(&org.to_string()) {
            tracing::warn!(
                organization_id = %org,
                "stored logins ignored: the organization is a sandbox or a scratch org, and SALESFORCE_ALLOW_SANDBOXES is \
                 false"
            );
        }
    }

    fn is_first_warning(&self, of: &str) -> bool {
        let mut logged = lock(&self.not_allowed);
        logged.len() < MAX_WARNINGS && logged.insert(of.to_owned())
    }

    /// Logs once that a stored grant belongs to a host that is not allowed.
    fn warn_of_host(&self, url: &Url) {
        let host = url.origin().ascii_serialization();
        if self.is_first_warning(&host) {
            tracing::warn!(
                host,
                "stored logins ignored: they belong to a host that is not allowed (any more). If it is correct, add it to \
                 SALESFORCE_ALLOWED_ORIGINS; otherwise their users log in again"
            );
        }
    }
}
