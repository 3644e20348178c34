//! The scripts: each operation is one, so that Redis carries it out in one step.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {$(
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("lua/prelude.lua"), include_str!($file)))
        });
    )*};
}

scripts! {
    CREATE_LOGIN = "lua/create_login.lua";
    LOGIN = "lua/login.lua";
    TOUCH_LOGIN = "lua/touch_login.lua";
    END_LOGIN = "lua/end_login.lua";
    PUT_GRANT = "lua/put_grant.lua";
    GRANT = "lua/grant.lua";
    REPLACE_GRANT = "lua/replace_grant.lua";
    END_GRANT = "lua/end_grant.lua";
    LIST_LOGINS = "lua/list_logins.lua";
    LIST_GRANTS = "lua/list_grants.lua";
    ACQUIRE_LEASE = "lua/acquire_lease.lua";
    RELEASE_LEASE = "lua/release_lease.lua";
    CONSUME = "lua/consume.lua";
}
