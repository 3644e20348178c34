//! Connections of the app's own users: an owner uses a grant under a name, without a login.
//!
//! The record in the store names owner and connection by hashes. What the hashes stand for is sealed and bound to the
//! record's key and to its grant: a program that can write to the store, but has no key, gives no owner another one's
//! grant.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    AuthEvent, GrantManager, GrantTokens, LogInError, Profile, RevokeOnLogout, StoredGrant,
    end_retries::EndRetries, manager::absent_if_corrupt, tokens::UnreadableGrant,
};
use crate::{
    base::{
        hex,
        seal::{Purpose, SealError},
    },
    store::{
        AppKey, ConnectionName, DisconnectedOwner, GrantFilter, GrantKey, GrantRecord, LoginKey, OwnedFilter,
        OwnedKey, OwnedRecord, Owner, OwnerKey, Sealed, StoreError,
    },
};
use salesforce_connection::{OrgId, Secret, UserId, UserRef, oauth::LoginHost, token::BrokenConnection};

/// How long the record of a connection lasts: until the app ends it. A hundred years is far below where `SystemTime` and
/// the times of the stores overflow.
const LIFETIME: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Number of grants that a listing reads at a time.
const CONCURRENT_READS: usize = 8;

/// Returns the path of this app at which an owner connects again; `None` if the app has no route for it.
pub(crate) type ConnectPath =
    Arc<dyn Fn(Option<&LoginHost>, &ConnectionName) -> Option<String> + Send + Sync>;

/// An owner, and what it calls one of its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedName {
    pub(crate) owner: Owner,
    pub(crate) name: ConnectionName,
}

impl OwnedName {
    fn owner_key(&self, app: AppKey) -> OwnerKey {
        OwnerKey::new(app, &self.owner)
    }

    fn key(&self, app: AppKey) -> OwnedKey {
        OwnedKey::new(self.owner_key(app), &self.name)
    }
}

/// A connection of an owner.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OwnerConnection {
    /// Whose it is.
    pub owner: Owner,
    /// What the owner calls it.
    pub name: ConnectionName,
    /// The organization.
    pub organization_id: OrgId,
    /// The Salesforce user whose data it opens.
    pub user_id: UserId,
    /// The user name, if Salesforce returned one. For display; it can change.
    pub username: Option<String>,
    /// The name to display, if Salesforce returned one.
    pub display_name: Option<String>,
    /// The URL of the org's REST API host. `None` while the connection needs reconnecting.
    pub instance_url: Option<Url>,
    /// When it was connected.
    pub connected_at: SystemTime,
    /// Why it needs reconnecting, since when, and the path of the app where the owner does so. `None`: it is valid as far
    /// as known.
    pub needs_reconnecting: Option<BrokenConnection>,
}

/// The sealed content of a record.
#[derive(Serialize, Deserialize)]
struct Content {
    owner: String,
    name: String,
    /// A hash of the callback that made it, so that the same callback is known when it comes again.
    callback: String,
}

/// A connection as it was read.
type Known = (OwnedRecord, Option<GrantRecord>);

fn hash_of(id: &Secret) -> String {
    hex::digits(LoginKey::from_session_id(id).as_bytes()).collect()
}

fn bound_to(key: OwnedKey, grant: GrantKey) -> Vec<u8> {
    [key.as_bytes().as_slice(), b"\0", grant.to_string().as_bytes()].concat()
}

impl GrantManager {
    /// Stores a grant for an owner. `id` follows from the callback that brought it.
    pub(super) async fn connect_owner(
        self: &Arc<Self>,
        grant: GrantTokens,
        owned: &OwnedName,
        id: &Secret,
    ) -> Result<UserRef, LogInError> {
        let now = self.config.clock.now();
        let ends_at = now.checked_add(LIFETIME).unwrap_or(now);
        let record = grant.seal(&self.config.keys, ends_at)?;
        let owned_key = owned.key(grant.key.app());
        let content = Content {
            owner: owned.owner.as_str().to_owned(),
            name: owned.name.as_str().to_owned(),
            callback: hash_of(id),
        };
        let sealed = self.seal_owned(owned_key, grant.key, &content)?;
        let keys = (owned.owner_key(grant.key.app()), owned_key);
        let owned_record = OwnedRecord::new(keys, grant.key, sealed, now, ends_at);
        let keep_unused = self.keep_former(owned_key).await;
        let connected = match self.config.store.connect_owner(owned_record, record, keep_unused).await {
            Ok(connected) => connected,
            Err(error) => {
                self.undo_connection_later(grant);
                return Err(error.into());
            }
        };
        let key = grant.key;
        tracing::info!(owned = ?owned_key, grant = %key, name = %owned.name, "connected for an owner of the app");
        self.config.events.emit(&AuthEvent::OwnerConnected { user: key.user() });
        let new_token = grant.refresh_token.clone();
        self.handle_of(grant);
        self.rechecked_by_login(key);
        self.forget_other_broken_grant(key);
        self.revoke_replaced(connected.replaced, new_token.as_ref());
        if let Some(deleted) = connected.deleted {
            self.forget(&deleted);
        }
        // What the owner connected under other credentials of the app is replaced, too.
        for app in self.config.apps.keys().filter(|app| *app != key.app()) {
            self.disconnect_later(owned.key(app), None);
        }
        Ok(key.user())
    }

    /// Revokes the tokens of a connection whose storing failed, unless it was stored anyway.
    fn undo_connection_later(self: &Arc<Self>, grant: GrantTokens) {
        let manager = Arc::clone(self);
        self.config.background.spawn(async move {
            for wait in manager.config.timing.retry_schedule {
                if !manager.config.background.sleep_unless_stopping(wait).await {
                    break;
                }
                if manager.revoke_unless_stored(&grant).await.is_ok() {
                    return;
                }
            }
            tracing::error!(
                grant = %grant.key,
                "undoing a failed connection failed; its tokens stay valid until they expire"
            );
        });
    }

    /// Returns whether this callback made the connection, with whichever credentials it began.
    pub(super) async fn has_connected(&self, owned: &OwnedName, id: &Secret) -> Result<bool, StoreError> {
        for app in self.config.apps.keys() {
            let found = absent_if_corrupt(self.config.store.load_owned(owned.key(app)).await)?;
            let content = found.and_then(|(record, _)| self.open_owned(&record));
            if content.is_some_and(|content| content.callback == hash_of(id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the grant of a connection: that of today's credentials, else that of the previous ones.
    pub(crate) async fn grant_of_owner(
        self: &Arc<Self>,
        owned: &OwnedName,
    ) -> Result<StoredGrant, StoreError> {
        for app in self.config.apps.keys() {
            let read_at = self.config.clock.instant();
            let found = absent_if_corrupt(self.config.store.load_owned(owned.key(app)).await)?;
            let Some((record, grant)) = found else { continue };
            if self.open_owned(&record).is_none_or(|content| content.owner != owned.owner.as_str()) {
                continue;
            }
            let Some(grant) = grant else {
                return Ok(StoredGrant::Broken(self.without_grant(&record, &owned.name)));
            };
            return Ok(match self.classify(&grant, read_at) {
                StoredGrant::Broken(_) => StoredGrant::Broken(self.broken_of(&grant, &record, &owned.name)),
                // A host that is not allowed any more, for example: the owner connects again.
                StoredGrant::Absent => StoredGrant::Broken(self.without_grant(&record, &owned.name)),
                other => other,
            });
        }
        Ok(StoredGrant::Absent)
    }

    /// Lists the connections of an owner.
    pub(crate) async fn owner_connections(&self, owner: &Owner) -> Result<Vec<OwnerConnection>, StoreError> {
        let mut all: Vec<OwnerConnection> = Vec::new();
        for app in self.config.apps.keys() {
            let filter = OwnedFilter::Owner(OwnerKey::new(app, owner));
            let listed = self.infos(self.config.store.list_owned(filter).await?).await?;
            let new = listed.into_iter().filter(|info| info.owner == *owner);
            let new: Vec<_> = new.filter(|info| all.iter().all(|known| known.name != info.name)).collect();
            all.extend(new);
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// Lists the connections of all owners that use one of these grants.
    pub(crate) async fn list_owner_connections(
        &self,
        filter: GrantFilter,
    ) -> Result<Vec<OwnerConnection>, StoreError> {
        self.infos(self.config.store.list_owned(OwnedFilter::Grants(filter)).await?).await
    }

    async fn infos(&self, records: Vec<OwnedRecord>) -> Result<Vec<OwnerConnection>, StoreError> {
        let records = records.into_iter().filter(|record| self.owns(record.grant));
        let infos = records.map(|record| async move { self.info(&record).await });
        let infos: Vec<_> = stream::iter(infos).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(infos.into_iter().flatten().collect())
    }

    async fn info(&self, record: &OwnedRecord) -> Result<Option<OwnerConnection>, StoreError> {
        let Some(content) = self.open_owned(record) else { return Ok(None) };
        let names = Owner::new(content.owner).ok().zip(ConnectionName::new(content.name).ok());
        let Some((owner, name)) = names else { return Ok(None) };
        let grant = absent_if_corrupt(self.config.store.load_grant(record.grant).await)?;
        let opened = grant.as_ref().map(|grant| self.open(grant));
        let (profile, instance_url, needs_reconnecting) = match (&grant, opened) {
            (_, Some(Ok(tokens))) => (tokens.profile, Some(tokens.access.instance_url().clone()), None),
            (Some(grant), Some(Err(UnreadableGrant::Broken(_)))) => {
                (Profile::default(), None, Some(self.broken_of(grant, record, &name)))
            }
            _ => (Profile::default(), None, Some(self.without_grant(record, &name))),
        };
        let user = record.grant.user();
        Ok(Some(OwnerConnection {
            owner,
            name,
            organization_id: user.organization_id,
            user_id: user.user_id,
            username: profile.username,
            display_name: profile.display_name,
            instance_url,
            connected_at: record.connected_at,
            needs_reconnecting,
        }))
    }

    /// Ends a connection. Returns whether there was one. If nothing else uses its grant, the tokens are revoked in the
    /// background.
    ///
    /// # Errors
    /// The store failed. It is retried in the background.
    pub(crate) async fn disconnect_owner(self: &Arc<Self>, owned: &OwnedName) -> Result<bool, StoreError> {
        let mut was_there = false;
        let mut failed = None;
        for app in self.config.apps.keys() {
            let key = owned.key(app);
            let mut known = None;
            match self.try_disconnect(key, &mut known).await {
                Ok(ended) => was_there |= ended,
                Err(error) => {
                    // A connection that could not be read may be another one by then.
                    if known.is_some() {
                        self.disconnect_later(key, known);
                    }
                    failed = failed.or(Some(error));
                }
            }
        }
        failed.map_or(Ok(was_there), Err)
    }

    /// Ends a connection, unless it is another one than is known. Returns whether it did. Sets `known`: if the response is
    /// lost, only this copy still has the tokens to revoke.
    async fn try_disconnect(&self, key: OwnedKey, known: &mut Option<Known>) -> Result<bool, StoreError> {
        let found = absent_if_corrupt(self.config.store.load_owned(key).await)?;
        let keep_unused = self.keep_unused(found.as_ref().and_then(|(_, grant)| grant.as_ref()));
        match (found, &*known) {
            (None, Some((_, Some(grant)))) => {
                self.forget_if_gone(grant).await?;
                return Ok(false);
            }
            (None, _) => return Ok(false),
            (Some((record, _)), Some((known, _))) if record.sealed != known.sealed => return Ok(false),
            (Some(found), _) => *known = Some(found),
        }
        let ended = self.config.store.disconnect_owner(key, keep_unused).await?;
        Ok(self.report_disconnected(key, &ended))
    }

    /// How long a grant is kept after its last change although no login and no owner uses it: as after a logout.
    fn keep_unused(&self, grant: Option<&GrantRecord>) -> Duration {
        match self.config.revoke_on_logout {
            RevokeOnLogout::Last | RevokeOnLogout::Always => Duration::ZERO,
            RevokeOnLogout::Never if grant.is_some_and(|grant| self.open_broken(grant).is_some()) => {
                self.config.keep_broken
            }
            RevokeOnLogout::Never => self.config.lifetimes.absolute,
        }
    }

    /// [How long](Self::keep_unused) the grant is kept that a connection may move away from.
    async fn keep_former(&self, key: OwnedKey) -> Duration {
        if self.config.revoke_on_logout != RevokeOnLogout::Never {
            return Duration::ZERO;
        }
        // If the store fails here, storing the connection will say so.
        let former = self.config.store.load_owned(key).await.ok().flatten();
        self.keep_unused(former.and_then(|(_, grant)| grant).as_ref())
    }

    fn report_disconnected(&self, key: OwnedKey, ended: &DisconnectedOwner) -> bool {
        let grant = match ended {
            DisconnectedOwner::NotFound => return false,
            DisconnectedOwner::GrantKept(grant) => *grant,
            DisconnectedOwner::GrantDeleted(record) => record.key,
        };
        tracing::info!(owned = ?key, %grant, "disconnected for an owner of the app");
        self.config.events.emit(&AuthEvent::OwnerDisconnected { user: grant.user() });
        if let DisconnectedOwner::GrantDeleted(record) = ended {
            self.forget(record);
        }
        true
    }

    /// Ends a connection in the background, unless the owner connects again meanwhile. `known`: what it was, if an earlier
    /// attempt may have ended it.
    fn disconnect_later(self: &Arc<Self>, key: OwnedKey, mut known: Option<Known>) {
        let manager = Arc::clone(self);
        self.config.background.spawn(async move {
            if known.is_none() && manager.try_disconnect(key, &mut known).await.is_ok() {
                return;
            }
            let mut retries = EndRetries::new(&manager, format!("connection {key:?}"));
            while let Some(_permit) = retries.turn().await {
                if retries.is_over(manager.try_disconnect(key, &mut known).await.map(drop)) {
                    return;
                }
            }
        });
    }

    /// Seals the records of connections again that are under an older key. Returns true if none needs an older key.
    pub(super) async fn reseal_owned(&self) -> Result<bool, StoreError> {
        let all = OwnedFilter::Grants(GrantFilter::All);
        let mut is_done = true;
        for record in self.config.store.list_owned(all).await? {
            if !self.owns(record.grant) || self.config.keys.is_under_newest(record.sealed.as_bytes()) {
                continue;
            }
            let Some(content) = self.open_owned(&record) else { continue };
            let Ok(next) = self.seal_owned(record.key, record.grant, &content) else { continue };
            // Otherwise the owner has connected again meanwhile.
            is_done &= self.config.store.reseal_owned(record.key, record.sealed, next).await?;
        }
        Ok(is_done)
    }

    fn seal_owned(&self, key: OwnedKey, grant: GrantKey, content: &Content) -> Result<Sealed, SealError> {
        let plain = serde_json::to_vec(content).map_err(|_| SealError)?;
        let sealed = self.config.keys.seal(Purpose::Owned, &bound_to(key, grant), &plain)?;
        Ok(Sealed::from_bytes(sealed))
    }

    fn open_owned(&self, record: &OwnedRecord) -> Option<Content> {
        let (bound_to, sealed) = (bound_to(record.key, record.grant), record.sealed.as_bytes());
        let content = self.config.keys.open(Purpose::Owned, &bound_to, sealed).ok();
        let content = content.and_then(|plain| serde_json::from_slice(&plain).ok());
        if content.is_none() {
            tracing::error!(
                owned = ?record.key,
                "connection of an owner ignored: its record does not open. Its key is missing in SALESFORCE_KEYS, or \
                 another program changed it"
            );
        }
        content
    }

    /// Why a connection does not work whose grant Salesforce refused.
    fn broken_of(
        &self,
        grant: &GrantRecord,
        record: &OwnedRecord,
        name: &ConnectionName,
    ) -> BrokenConnection {
        let Some(broken) = self.open_broken(grant) else { return self.without_grant(record, name) };
        let mut connection = self.connection_of(&broken);
        connection.login_path = (self.config.connect_path)(Some(&broken.host), name);
        connection
    }

    /// Why a connection does not work whose grant is absent.
    fn without_grant(&self, record: &OwnedRecord, name: &ConnectionName) -> BrokenConnection {
        let mut broken = BrokenConnection::new(record.grant.user(), record.connected_at);
        broken.reason = Some("its tokens were revoked or cannot be used any more".to_owned());
        broken.login_path = (self.config.connect_path)(None, name);
        broken
    }
}
