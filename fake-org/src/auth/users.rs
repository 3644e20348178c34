//! The users that the org starts with, and those made on demand.

use crate::base::ids;
use crate::user::{Rights, User};

/// The sample users, in order; Ada first. Dora shares Ben's e-mail address.
pub(crate) fn sample(organization_id: &str) -> Vec<User> {
    [
        ("ada@example.com", "ada@example.com", "Ada", "Lovelace"),
        ("ben@example.com", "ben@example.com", "Ben", "Okafor"),
        ("chiara@example.com", "chiara@example.com", "Chiara", "Rossi"),
        ("dora@example.com", "ben@example.com", "Dora", "Lindqvist"),
        ("emil@example.com", "emil@example.com", "Emil", "Nowak"),
    ]
    .iter()
    .zip(1..)
    .map(|((username, email, first, last), n)| User {
        id: ids::make("005", n),
        organization_id: organization_id.to_owned(),
        username: (*username).to_owned(),
        email: (*email).to_owned(),
        first_name: (*first).to_owned(),
        last_name: (*last).to_owned(),
        guest: false,
        rights: Rights::default(),
    })
    .collect()
}

/// A user made on demand from a username.
pub(crate) fn invented(organization_id: &str, username: &str, n: u64) -> User {
    let local = username.split('@').next().unwrap_or(username);
    let mut first = local.chars();
    let first_name = first.next().map_or_else(String::new, |c| c.to_uppercase().chain(first).collect());
    User {
        id: ids::make("005", n),
        organization_id: organization_id.to_owned(),
        username: username.to_owned(),
        email: if username.contains('@') { username.to_owned() } else { format!("{username}@example.com") },
        first_name,
        last_name: "Example".into(),
        guest: false,
        rights: Rights::default(),
    }
}
