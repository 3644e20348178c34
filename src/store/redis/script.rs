//! The scripts. Each operation is one script, which Redis runs in one step.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, aio::ConnectionLike};

use super::connection::Arguments;

/// A script and its hash, by which a server that has run it before knows it.
pub(super) struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }

    /// Runs the script. A server that does not know it (it restarted, or has just become the primary) gets it with a
    /// second command.
    pub(super) async fn invoke(
        &self,
        redis: &mut impl ConnectionLike,
        prefix: &str,
        arguments: &Arguments,
    ) -> RedisResult<Vec<Vec<u8>>> {
        let known = call("EVALSHA", &self.hash, prefix, arguments).query_async(redis).await;
        match known {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                call("EVAL", self.code, prefix, arguments).query_async(redis).await
            }
            reply => reply,
        }
    }
}

fn call(command: &str, script: &str, prefix: &str, arguments: &Arguments) -> Cmd {
    let mut call = redis::cmd(command);
    call.arg(script).arg(1).arg(prefix);
    for argument in arguments.each() {
        call.arg(argument);
    }
    call
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {$(
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("lua/prelude.lua"), include_str!($file)))
        });
    )*};
}

scripts! {
    CREATE_LOGIN = "lua/create_login.lua";
    LOAD_LOGIN = "lua/load_login.lua";
    TOUCH_LOGIN = "lua/touch_login.lua";
    DELETE_LOGIN = "lua/delete_login.lua";
    PUT_GRANT = "lua/put_grant.lua";
    LOAD_GRANT = "lua/load_grant.lua";
    COMPARE_AND_SWAP_GRANT = "lua/compare_and_swap_grant.lua";
    DELETE_GRANT = "lua/delete_grant.lua";
    BREAK_GRANT = "lua/break_grant.lua";
    LIST_LOGINS = "lua/list_logins.lua";
    LIST_GRANTS = "lua/list_grants.lua";
    CONNECT_OWNER = "lua/connect_owner.lua";
    LOAD_OWNED = "lua/load_owned.lua";
    DISCONNECT_OWNER = "lua/disconnect_owner.lua";
    LIST_OWNED = "lua/list_owned.lua";
    RESEAL_OWNED = "lua/reseal_owned.lua";
    ACQUIRE_LEASE = "lua/acquire_lease.lua";
    RELEASE_LEASE = "lua/release_lease.lua";
    CONSUME_ONCE = "lua/consume_once.lua";
    LOAD_POSITION = "lua/load_position.lua";
    COMPARE_AND_SWAP_POSITION = "lua/compare_and_swap_position.lua";
}
