//! The scopes of an app, by their names in OAuth and in metadata.

/// The names that the Metadata API has for scopes of OAuth.
///
/// docs/protocol/app-metadata.md has the source of each.
const SCOPES: [(&str, &str); 16] = [
    ("address", "Address"),
    ("api", "Api"),
    ("chatter_api", "Chatter"),
    ("content", "Content"),
    ("custom_permissions", "CustomPermissions"),
    ("email", "Email"),
    ("full", "Full"),
    ("id", "Basic"),
    ("lightning", "Lightning"),
    ("offline_access", "OfflineAccess"),
    ("openid", "OpenID"),
    ("phone", "Phone"),
    ("profile", "Profile"),
    ("refresh_token", "RefreshToken"),
    ("wave_api", "Wave"),
    ("web", "Web"),
];

/// Returns the names in metadata, or the scopes that have none here.
pub(super) fn in_metadata(scopes: &str) -> Result<Vec<&'static str>, Vec<&str>> {
    let (mut names, mut unknown) = (Vec::new(), Vec::new());
    for scope in scopes.split_whitespace() {
        match SCOPES.iter().find(|(known, _)| *known == scope) {
            Some((_, name)) if names.contains(name) => {}
            Some((_, name)) => names.push(*name),
            None => unknown.push(scope),
        }
    }
    if unknown.is_empty() { Ok(names) } else { Err(unknown) }
}

/// The scopes that have a name here.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    SCOPES.iter().map(|(known, _)| *known)
}
