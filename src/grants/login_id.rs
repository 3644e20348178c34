//! Ids of logins: which records in the store belong to them.
//!
//! The id of a login says whether its record has to be bound to it ([`LoginProof`]). It is in a sealed cookie, so that a
//! program that writes to the store cannot turn a bound login into one of an earlier version.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::base::random::{self, NoRandomness};
use crate::store::{GrantKey, LoginKey, LoginProof, LoginRecord};
use salesforce_connection::Secret;

/// Begins the id of a login whose record has a proof. Earlier versions never wrote it: it is no character of base64.
const BOUND: char = '~';

/// Records without a proof count only if they say that they were created before this time: 1 March 2027, three months
/// after the first version with proofs. So none of them counts any more once a login of that day has reached
/// `SALESFORCE_MAX_LIFETIME`, even for an attacker who saved a cookie of an earlier version.
const FORMER_UNTIL: Duration = Duration::from_secs(1_803_859_200);

/// The id of a login, with the hashes that follow from it, each computed at most once.
#[derive(Debug)]
pub(crate) struct LoginId {
    id: Secret,
    key: LoginKey,
    /// The grant that the login was first found to use, and the proof that it does.
    proof: OnceLock<(GrantKey, LoginProof)>,
}

impl LoginId {
    pub(crate) fn new(id: Secret) -> Self {
        Self { key: LoginKey::from_login_id(&id), id, proof: OnceLock::new() }
    }

    /// Returns the key of the login's record.
    pub(super) fn key(&self) -> LoginKey {
        self.key
    }

    fn proof(&self, grant: &GrantKey) -> LoginProof {
        let (of, proof) = self.proof.get_or_init(|| (*grant, LoginProof::new(&self.id, grant)));
        if of == grant { *proof } else { LoginProof::new(&self.id, grant) }
    }

    /// Returns whether this record belongs to the login: it has its proof, or is of an earlier version and not over.
    pub(super) fn is_bound(&self, login: &LoginRecord, now: SystemTime, max_lifetime: Duration) -> bool {
        match &login.proof {
            Some(proof) => *proof == self.proof(&login.grant),
            None => {
                let ends_at = login.created_at.checked_add(max_lifetime);
                let is_former = login.created_at < SystemTime::UNIX_EPOCH + FORMER_UNTIL;
                let says_bound = self.id.expose().starts_with(BOUND);
                !says_bound && is_former && ends_at.is_none_or(|ends_at| now < ends_at)
            }
        }
    }
}

/// Returns the id of a login that follows from these bytes.
pub(super) fn from_digest(bytes: &[u8]) -> Secret {
    Secret::new(format!("{BOUND}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// Returns the id of a login without a callback.
pub(crate) fn random_login_id() -> Result<Secret, NoRandomness> {
    Ok(from_digest(&random::bytes::<32>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::AppKey;
    use salesforce_connection::UserRef;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn a_record_without_a_proof_counts_for_a_former_login_until_it_ends() {
        let user = UserRef::new("00D000000000001EAA".parse().unwrap(), "005000000000001AAA".parse().unwrap());
        let grant = GrantKey::new(AppKey::from_client_id("app"), user);
        let other = GrantKey::new(AppKey::from_client_id("other"), user);
        let (former, bound) = (Secret::new("id"), from_digest(&[7; 32]));
        let end = SystemTime::UNIX_EPOCH + FORMER_UNTIL;
        let record = |created_at, proof| LoginRecord {
            proof,
            ..LoginRecord::new(grant, created_at, created_at + 1_000 * DAY)
        };
        let is_bound =
            |id: &Secret, record: &LoginRecord, now| LoginId::new(id.clone()).is_bound(record, now, 30 * DAY);
        let last = record(end - DAY, None);
        assert!(is_bound(&former, &last, end));
        assert!(is_bound(&former, &last, end + 28 * DAY));
        assert!(!is_bound(&former, &last, end + 29 * DAY), "it is over");
        assert!(!is_bound(&former, &record(end, None), end), "no version without proofs made it");
        assert!(!is_bound(&bound, &last, end), "a bound login has no former record");
        for id in [&former, &bound] {
            let at = end + 1_000 * DAY;
            assert!(is_bound(id, &record(at, Some(LoginProof::new(id, &grant))), at));
            assert!(!is_bound(id, &record(end - DAY, Some(LoginProof::new(id, &other))), end));
        }
        assert!(!is_bound(&bound, &record(end, Some(LoginProof::new(&former, &grant))), end));
    }

    #[test]
    fn a_remembered_proof_is_for_its_grant_only() {
        let user = UserRef::new("00D000000000001EAA".parse().unwrap(), "005000000000001AAA".parse().unwrap());
        let grant = |app: &str| GrantKey::new(AppKey::from_client_id(app), user);
        let (id, now) = (from_digest(&[7; 32]), SystemTime::UNIX_EPOCH);
        let login = LoginId::new(id.clone());
        let record = |of: &str, proof_for: &str| LoginRecord {
            proof: Some(LoginProof::new(&id, &grant(proof_for))),
            ..LoginRecord::new(grant(of), now, now + DAY)
        };
        for _ in 0..2 {
            assert!(login.is_bound(&record("app", "app"), now, DAY));
            assert!(login.is_bound(&record("other", "other"), now, DAY));
            assert!(!login.is_bound(&record("other", "app"), now, DAY), "its record was pointed elsewhere");
            assert!(!login.is_bound(&record("app", "other"), now, DAY));
        }
    }
}
