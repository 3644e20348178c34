//! Records as they are held in memory: without what their keys say, and each in a box, because up to half of a hash map's
//! places are free.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::super::{GrantKey, GrantRecord, GrantVersion, LoginKey, LoginProof, LoginRecord, Sealed};

/// A time in nanoseconds since 1970, which last until 2554: half of a [`SystemTime`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Nanos(u64);

impl From<SystemTime> for Nanos {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since.as_nanos().try_into().unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for SystemTime {
    fn from(time: Nanos) -> Self {
        UNIX_EPOCH + Duration::from_nanos(time.0)
    }
}

/// A login without its key.
pub(super) struct StoredLogin {
    /// Shared with the grant.
    pub(super) grant: Arc<GrantKey>,
    created_at: Nanos,
    last_used_at: Nanos,
    expires_at: Nanos,
    proof: Option<LoginProof>,
}

impl StoredLogin {
    pub(super) fn new(grant: Arc<GrantKey>, login: &LoginRecord) -> Box<Self> {
        let LoginRecord { created_at, last_used_at, expires_at, proof, .. } = *login;
        let [created_at, last_used_at, expires_at] = [created_at, last_used_at, expires_at].map(Nanos::from);
        Box::new(Self { grant, created_at, last_used_at, expires_at, proof })
    }

    pub(super) fn record(&self) -> LoginRecord {
        LoginRecord {
            grant: *self.grant,
            created_at: self.created_at.into(),
            last_used_at: self.last_used_at.into(),
            expires_at: self.expires_at.into(),
            proof: self.proof,
        }
    }

    pub(super) fn expires_at(&self) -> SystemTime {
        self.expires_at.into()
    }

    pub(super) fn touch(&mut self, last_used_at: SystemTime, expires_at: SystemTime) {
        (self.last_used_at, self.expires_at) = (last_used_at.into(), expires_at.into());
    }
}

/// A grant without its key, with the keys of its logins.
pub(super) struct StoredGrant {
    pub(super) version: GrantVersion,
    pub(super) sealed: Sealed,
    updated_at: Nanos,
    expires_at: Nanos,
    pub(super) logins: Logins,
}

impl StoredGrant {
    pub(super) fn new(grant: GrantRecord, logins: Logins) -> Box<Self> {
        let GrantRecord { version, sealed, updated_at, expires_at, .. } = grant;
        let [updated_at, expires_at] = [updated_at, expires_at].map(Nanos::from);
        Box::new(Self { version, sealed, updated_at, expires_at, logins })
    }

    pub(super) fn record(&self, key: GrantKey) -> GrantRecord {
        let [updated_at, expires_at] = [self.updated_at, self.expires_at].map(SystemTime::from);
        GrantRecord { key, version: self.version, sealed: self.sealed.clone(), updated_at, expires_at }
    }

    pub(super) fn updated_at(&self) -> SystemTime {
        self.updated_at.into()
    }

    pub(super) fn expires_at(&self) -> SystemTime {
        self.expires_at.into()
    }

    pub(super) fn set_expiry(&mut self, expires_at: SystemTime) {
        self.expires_at = expires_at.into();
    }
}

/// The keys of a grant's logins, of which there is mostly one.
#[derive(Debug, Default)]
pub(super) enum Logins {
    #[default]
    None,
    One(LoginKey),
    Many(Vec<LoginKey>),
}

impl Logins {
    pub(super) fn as_slice(&self) -> &[LoginKey] {
        match self {
            Self::None => &[],
            Self::One(login) => std::slice::from_ref(login),
            Self::Many(logins) => logins,
        }
    }

    pub(super) fn push(&mut self, login: LoginKey) {
        match self {
            Self::None => *self = Self::One(login),
            Self::One(first) => *self = Self::Many(vec![*first, login]),
            Self::Many(logins) => logins.push(login),
        }
    }

    pub(super) fn remove(&mut self, login: &LoginKey) {
        match self {
            Self::One(only) if only == login => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(logins) => logins.retain(|other| other != login),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salesforce_connection::Secret;

    #[test]
    fn a_time_is_held_to_the_nanosecond() {
        for nanos in [0, 1, 1_764_527_999_123_456_789, u64::MAX] {
            let time = UNIX_EPOCH + Duration::from_nanos(nanos);
            assert_eq!(SystemTime::from(Nanos::from(time)), time);
        }
        let late = UNIX_EPOCH + Duration::from_secs(1_000_000_000_000);
        assert_eq!(Nanos::from(late), Nanos(u64::MAX), "far away all the same");
        assert_eq!(Nanos::from(UNIX_EPOCH - Duration::from_secs(1)), Nanos(0), "past all the same");
    }

    #[test]
    fn the_logins_of_a_grant_come_and_go() {
        let key = |n: u32| LoginKey::from_login_id(&Secret::new(n.to_string()));
        let mut logins = Logins::default();
        for n in 0..4 {
            logins.push(key(n));
            assert_eq!(logins.as_slice(), (0..=n).map(key).collect::<Vec<_>>());
        }
        logins.remove(&key(9));
        for n in 0..4 {
            logins.remove(&key(n));
            assert_eq!(logins.as_slice(), (n + 1..4).map(key).collect::<Vec<_>>());
        }
        logins = Logins::One(key(1));
        logins.remove(&key(2));
        assert_eq!(logins.as_slice(), [key(1)]);
        logins.remove(&key(1));
        assert!(logins.as_slice().is_empty());
    }
}
