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

mod connect;
mod disconnect;

use super::{GrantManager, Profile, StoredGrant, manager::absent_if_corrupt, tokens::UnreadableGrant};
use crate::{
    base::{
        hex,
        seal::{Purpose, SealError},
    },
    store::{
        AppKey, ConnectionName, GrantFilter, GrantKey, GrantRecord, LoginKey, OwnedFilter, OwnedKey,
        OwnedRecord, Owner, OwnerKey, Sealed, StoreError,
    },
};
use salesforce_connection::{OrgId, Secret, UserId, oauth::LoginHost, token::BrokenConnection};

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

fn hash_of(id: &Secret) -> String {
    hex::digits(LoginKey::from_login_id(id).as_bytes()).collect()
}

fn bound_to(key: OwnedKey, grant: GrantKey) -> Vec<u8> {
    [key.as_bytes().as_slice(), b"\0", grant.to_string().as_bytes()].concat()
}

impl GrantManager {
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
            let found = match self.classify(&grant, read_at) {
                StoredGrant::Broken(_) => StoredGrant::Broken(self.broken_of(&grant, &record, &owned.name)),
                // A host that is not allowed any more, for example: the owner connects again.
                StoredGrant::Absent => StoredGrant::Broken(self.without_grant(&record, &owned.name)),
                other => other,
            };
            return Ok(self.if_let_in(found, Some(&owned.name)).await);
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
