//! The names of keys in Redis that Rust code reads. `lua/prelude.lua` has them for the scripts, and those that only scripts
//! read.

use super::login_cache::Change;
use crate::store::encoding;
use salesforce_connection::OrgId;

const LOGIN: &str = "login:";
const GRANT: &str = "grant:";

/// A login, by the hex digits of its key.
pub(super) fn login(prefix: &str, hex: &str) -> String {
    format!("{prefix}{LOGIN}{hex}")
}

/// A grant, by its key's text.
pub(super) fn grant(prefix: &str, key: &str) -> String {
    format!("{prefix}{GRANT}{key}")
}

/// The index of an org's grants.
pub(super) fn grants_of(prefix: &str, org: OrgId) -> String {
    format!("{prefix}org:{org}")
}

/// The index of all grants.
pub(super) fn all_grants(prefix: &str) -> String {
    format!("{prefix}all")
}

/// The index of an owner's connections.
pub(super) fn connections_of(prefix: &str, owner: &str) -> String {
    format!("{prefix}owner:{owner}")
}

/// The index of all connections of owners.
pub(super) fn all_connections(prefix: &str) -> String {
    format!("{prefix}allowned")
}

/// Reads the name of a key that has changed; `None` if it names neither a login nor a grant.
pub(super) fn change(prefix: &str, name: &[u8]) -> Option<Change> {
    let name = std::str::from_utf8(name).ok()?.strip_prefix(prefix)?;
    if let Some(login) = name.strip_prefix(LOGIN) {
        return encoding::login_key(login).ok().map(Change::Login);
    }
    encoding::grant_key(name.strip_prefix(GRANT)?).ok().map(Change::Grant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_have_the_same_names() {
        let prelude = include_str!("lua/prelude.lua");
        let org: OrgId = "00D000000000001EAA".parse().unwrap();
        for name in [
            login("", ""),
            grant("", ""),
            grants_of("", org).replace(&org.to_string(), ""),
            all_grants(""),
            connections_of("", ""),
            all_connections(""),
        ] {
            assert!(prelude.contains(&format!("P .. '{name}'")), "{name}");
        }
    }
}
