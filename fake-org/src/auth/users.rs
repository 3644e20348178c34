//! The people of the org.

use crate::base::ids;

/// The password of every sample user. It is printed on the login page.
pub(crate) const PASSWORD: &str = "fake-org-1";

/// A person who can sign in. A plain description: what the org knows about them later (deactivated, tokens)
/// is asked from [`FakeOrg`](crate::FakeOrg).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(crate) id: String,
    pub(crate) organization_id: String,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    /// The guest user of a site: nobody who could log in.
    pub(crate) guest: bool,
}

impl User {
    /// The 18-character user id, `005…`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The 18-character organization id, `00D…`.
    #[must_use]
    pub fn organization_id(&self) -> &str {
        &self.organization_id
    }

    /// The name to sign in with.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The e-mail address. Not unique: two sample users share one.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// First and last name.
    #[must_use]
    pub fn display_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// The password all users of a fake org start with. One who registers at a site or resets it there
    /// has another.
    #[must_use]
    pub fn password(&self) -> &str {
        PASSWORD
    }

    /// `user_type` of identity and userinfo.
    pub(crate) fn kind(&self) -> &'static str {
        if self.guest { "GUEST" } else { "STANDARD" }
    }
}

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
    }
}
