//! The operations that have to be atomic, as scripts that the server runs.

use redis::Script;

macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self {
                    $($name: Script::new(concat!(
                        include_str!("scripts/common.lua"),
                        include_str!(concat!("scripts/", stringify!($name), ".lua")),
                    )),)*
                }
            }
        }
    };
}

scripts!(
    create_login,
    login,
    touch_login,
    end_login,
    put_grant,
    grant,
    replace_grant,
    end_grant,
    acquire_lease,
    release_lease,
    list,
);
