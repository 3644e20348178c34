//! [`KnownLogin`]: a login that was read lately, and the question whether it is still the same.
//!
//! A reply of Redis costs its reader by the field, and the sealed tokens are most of its bytes. So the question asks for
//! three fields: the login's grant, which is there as long as the login is, and the version and the age of the grant's
//! tokens. A logout, a refresh and another login of the user change one of them, in each process that shares the Redis.

use std::time::{Duration, Instant};

use redis::{Pipeline, Value, aio::ConnectionLike as _};

use super::{
    super::{
        GrantRecord, LoginKey, LoginRecord, StoreError,
        encoding::{hex, millis, version_text},
    },
    connection::Connection,
    connection_manager::Idempotency,
    servers::RawConnection,
};

/// Age at which a login is read whole again, for the fields that are not asked for: when it was last used, when it
/// expires, its proof. Half of the minute to which the time of the last use is accurate.
const MAX_AGE: Duration = Duration::from_secs(30);

/// A login and its grant, as they were read.
pub(super) struct KnownLogin {
    login: LoginRecord,
    grant: GrantRecord,
    read_at: Instant,
    question: Pipeline,
    /// The texts that the question returns if nothing has changed.
    expected: [String; 3],
}

impl KnownLogin {
    /// Remembers records that were read at this moment.
    pub(super) fn new(prefix: &str, key: LoginKey, login: &LoginRecord, grant: &GrantRecord) -> Self {
        let grant_text = grant.key.to_string();
        let mut question = redis::pipe();
        question.cmd("HGET").arg(format!("{prefix}login:{}", hex(key.as_bytes()))).arg("grant");
        question.cmd("HMGET").arg(format!("{prefix}grant:{grant_text}")).arg("version").arg("updated");
        let expected = [grant_text, version_text(grant.version), millis(grant.updated_at).to_string()];
        let (login, grant) = (login.clone(), grant.clone());
        Self { login, grant, read_at: Instant::now(), question, expected }
    }

    /// Returns the records.
    pub(super) fn records(&self) -> (LoginRecord, GrantRecord) {
        (self.login.clone(), self.grant.clone())
    }

    /// Asks whether the records are still the stored ones. `false` if they have to be read again: they were changed or
    /// deleted, they are too old, or the server responded with an error to one of the commands.
    pub(super) async fn is_current(&self, connection: &Connection) -> Result<bool, StoreError> {
        if self.read_at.elapsed() >= MAX_AGE {
            return Ok(false);
        }
        let (question, count) = (&self.question, self.question.len());
        let ask =
            |mut redis: RawConnection| async move { redis.req_packed_commands(question, 0, count).await };
        let reply = connection.manager.run(Idempotency::Idempotent, ask).await?;
        let [grant, version, updated] = &self.expected;
        let is =
            |value: &Value, text: &str| matches!(value, Value::BulkString(bytes) if bytes == text.as_bytes());
        Ok(match reply.as_slice() {
            [of_login, Value::Array(of_grant)] => {
                is(of_login, grant)
                    && matches!(&of_grant[..], [is_version, is_updated] if is(is_version, version) && is(is_updated, updated))
            }
            _ => false,
        })
    }
}
