//! [`Keyring`]: the keyring of the system, in which `--keep` stores a login.
//!
//! Keychain on macOS, Credential Manager on Windows, elsewhere the Secret Service (GNOME Keyring, KWallet) over D-Bus.

use std::{thread, time::Duration};

use actix_salesforce::{
    Secret,
    oauth::{KnownGrant, Scopes},
};
use keyring::{Entry, Error};
use salesforce_connection::UserRef;
use serde::{Deserialize, Serialize, Serializer};
use tokio::{sync::oneshot, time::timeout};
use url::Url;

use super::org::Org;
use crate::failure::sentence;

/// The name under which keyring programs show the entries.
const SERVICE: &str = "actix-salesforce doctor";
/// How long after a look another run may write its entry: an operation of a keyring takes a tenth of a second.
const SETTLED: Duration = Duration::from_millis(500);
const TAKEN: &str = "it has an entry of another run, or one that is not of this program";
/// The keyring may ask the user to unlock it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The entry of one app at one login host.
#[derive(Debug, Clone)]
pub(super) struct Keyring {
    name: String,
}

/// A login that an earlier run has stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(serialize_with = "exposed")]
    pub(super) refresh_token: Secret,
    instance_url: Url,
    identity_url: Url,
    user: UserRef,
    /// The scopes that Salesforce granted.
    scopes: Scopes,
    /// The scopes that the settings had.
    pub(super) requested: Scopes,
    token_host: Option<Url>,
}

/// Why the keyring did not do it. Contains no secret.
pub(super) struct KeyringError {
    /// There is no keyring at all.
    pub(super) is_absent: bool,
    pub(super) why: String,
}

impl Kept {
    pub(super) fn new(refresh_token: Secret, grant: KnownGrant, requested: Scopes) -> Self {
        let KnownGrant { user, identity_url, instance_url, scopes, token_host, .. } = grant;
        Self { refresh_token, instance_url, identity_url, user, scopes, requested, token_host }
    }

    pub(super) fn with_token(self, refresh_token: Secret) -> Self {
        Self { refresh_token, ..self }
    }

    /// What a refresh has to know of the login.
    pub(super) fn grant(&self) -> KnownGrant {
        let Self { user, identity_url, instance_url, scopes, .. } = self;
        let mut grant = KnownGrant::new(*user, identity_url.clone(), instance_url.clone(), scopes.clone());
        grant.token_host = self.token_host.clone();
        grant
    }

    fn to_text(&self) -> Result<Secret, KeyringError> {
        serde_json::to_string(self).map(Secret::new).map_err(|error| KeyringError::new(&error.to_string()))
    }
}

/// Only the keyring gets it.
fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

impl KeyringError {
    fn new(why: &str) -> Self {
        Self { is_absent: false, why: why.to_owned() }
    }
}

impl From<Error> for KeyringError {
    fn from(error: Error) -> Self {
        // The bytes that some variants have are secret; their text is not.
        Self::new(sentence(&error).trim_end_matches('.'))
    }
}

impl Keyring {
    pub(super) fn of(org: &Org) -> Self {
        // Both are public, and keyrings show names in the clear.
        Self { name: format!("{} at {}", org.oauth.app().client_id, org.login.host.issuer()) }
    }

    /// Writes an entry without a secret, reads it, and deletes it.
    pub(super) async fn check() -> Result<(), KeyringError> {
        apart(|| {
            let entry = Entry::new(SERVICE, &format!("test of process {}", std::process::id()))?;
            entry.set_password("no secret")?;
            let read = entry.get_password();
            entry.delete_credential()?;
            match read?.as_str() {
                "no secret" => Ok(()),
                _ => Err(KeyringError::new("it returned something else than was written")),
            }
        })
        .await
    }

    /// Returns the stored login. It stays in the keyring.
    pub(super) async fn find(&self) -> Result<Option<Kept>, KeyringError> {
        let Self { name } = self.clone();
        let text = apart(move || match Entry::new(SERVICE, &name)?.get_password() {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error.into()),
        });
        let Some(text) = text.await? else { return Ok(None) };
        // Its error could quote the text.
        let unreadable = |_| KeyringError::new("the entry is not one of this program");
        serde_json::from_str(text.expose()).map(Some).map_err(unreadable)
    }

    /// Deletes the entry. Returns whether it was there: one of two runs at a time gets the login.
    pub(super) async fn delete(&self) -> Result<bool, KeyringError> {
        let Self { name } = self.clone();
        apart(move || match Entry::new(SERVICE, &name)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Stores a login, unless there is an entry: what it holds could not be revoked any more.
    pub(super) async fn store(&self, kept: &Kept) -> Result<(), KeyringError> {
        let (Self { name }, text) = (self.clone(), kept.to_text()?);
        apart(move || {
            let entry = Entry::new(SERVICE, &name)?;
            match entry.get_password() {
                Err(Error::NoEntry) => entry.set_password(text.expose())?,
                Err(error) => return Err(error.into()),
                Ok(_) => return Err(KeyringError::new(TAKEN)),
            }
            // Keyrings replace an entry without a word: of two runs at a time the second one has it.
            thread::sleep(SETTLED);
            match entry.get_password()? == text.expose() {
                true => Ok(()),
                false => Err(KeyringError::new(TAKEN)),
            }
        })
        .await
    }
}

/// Works on a thread that the end of the program does not wait for: a keyring blocks while it asks the user.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, KeyringError> {
    let (done, result) = oneshot::channel();
    let begun = thread::Builder::new().name("keyring".into()).spawn(move || {
        let result = match Entry::store_status() {
            Ok(()) => work(),
            Err(error) => {
                Err(KeyringError { is_absent: true, why: sentence(error).trim_end_matches('.').to_owned() })
            }
        };
        let _ = done.send(result);
    });
    begun.map_err(|error| KeyringError::new(&error.to_string()))?;
    match timeout(PATIENCE, result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(KeyringError::new("it failed")),
        Err(_) => {
            Err(KeyringError::new(&format!("it did not respond within {} seconds", PATIENCE.as_secs())))
        }
    }
}
