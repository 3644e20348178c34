//! [`KnownLogin`]: a login that was read lately, and the question whether it is still the same.
//!
//! A reply of Redis costs its reader by the field, and the sealed tokens are most of its bytes. So the question asks for
//! three fields: the login's grant, which is there as long as the login is, and the version and the age of the grant's
//! tokens. A logout, a refresh and another login of the user change one of them, in each process that shares the Redis.

use std::{io, sync::Arc, time::Duration};

use redis::{Pipeline, RedisResult, Value, aio::ConnectionLike as _};
use tokio::time::Instant;

use super::{
    super::{
        GrantRecord, LoginKey, LoginRecord, StoreError,
        encoding::{hex, millis, version_text},
    },
    connection::Connection,
    connection_manager::Idempotency,
    direct_connection::DirectConnection,
    exchanges::{Expects, Reply},
    key_names,
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
    question: Question,
}

impl KnownLogin {
    /// Remembers records that were read at this moment.
    pub(super) fn new(prefix: &str, key: LoginKey, login: &LoginRecord, grant: &GrantRecord) -> Self {
        let question = Question::new(prefix, key, grant);
        Self { login: login.clone(), grant: grant.clone(), read_at: Instant::now(), question }
    }

    /// Returns the records.
    pub(super) fn records(&self) -> (LoginRecord, GrantRecord) {
        (self.login.clone(), self.grant.clone())
    }

    /// Returns whether the records may be asked for. Others are read again.
    pub(super) fn is_young(&self, now: Instant) -> bool {
        now.duration_since(self.read_at) < MAX_AGE
    }

    /// Asks whether the records are still the stored ones. `false` if they have to be read again: they were changed or
    /// deleted, or the server responded with an error to one of the commands.
    pub(super) async fn is_current(&self, connection: &Connection) -> Result<bool, StoreError> {
        let ask = |redis| self.question.is_confirmed_by(redis);
        connection.manager.run(Idempotency::Idempotent, ask).await
    }

    /// The same over a connection that is there.
    ///
    /// # Errors
    /// As [`DirectConnection::send`].
    pub(super) async fn is_confirmed_by(
        &self,
        connection: &DirectConnection,
        now: Instant,
    ) -> io::Result<bool> {
        let Question { bytes, reply, values, .. } = &self.question;
        let expects = Expects::Bytes(values.len(), Arc::clone(reply));
        Ok(connection.send(bytes, expects, now).await? == Reply::Expected)
    }
}

/// The commands, and what they return if nothing has changed: as bytes, and as the Redis client takes and returns them.
struct Question {
    bytes: Vec<u8>,
    reply: Arc<[u8]>,
    commands: Pipeline,
    values: [Value; 2],
}

impl Question {
    fn new(prefix: &str, key: LoginKey, grant: &GrantRecord) -> Self {
        let name = grant.key.to_string();
        let [version, updated] = [version_text(grant.version), millis(grant.updated_at).to_string()];
        let mut commands = redis::pipe();
        commands.cmd("HGET").arg(key_names::login(prefix, &hex(key.as_bytes()))).arg("grant");
        commands.cmd("HMGET").arg(key_names::grant(prefix, &name)).arg("version").arg("updated");
        let [a, b, c] = [&name, &version, &updated].map(|text| format!("${}\r\n{text}\r\n", text.len()));
        let reply = format!("{a}*2\r\n{b}{c}").into_bytes().into();
        let [name, version, updated] =
            [name, version, updated].map(|text| Value::BulkString(text.into_bytes()));
        let values = [name, Value::Array(vec![version, updated])];
        Self { bytes: commands.get_packed_pipeline(), reply, commands, values }
    }

    async fn is_confirmed_by(&self, mut redis: RawConnection) -> RedisResult<bool> {
        Ok(redis.req_packed_commands(&self.commands, 0, self.values.len()).await? == self.values)
    }
}
