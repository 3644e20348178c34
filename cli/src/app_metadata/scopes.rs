//! The scopes of an app, by their names in OAuth and in metadata.

/// The names that metadata has for scopes of OAuth. Those of Data 360, agents and Headless Identity are unverified.
///
/// docs/protocol/app-metadata.md has the source of each.
const SCOPES: [(&str, &str); 35] = [
    ("address", "Address"),
    ("api", "Api"),
    ("cdp_api", "CDP"),
    ("cdp_calculated_insight_api", "CDPCalculatedInsight"),
    ("cdp_identityresolution_api", "CDPIdentityResolution"),
    ("cdp_ingest_api", "CDPIngest"),
    ("cdp_profile_api", "CDPProfile"),
    ("cdp_query_api", "CDPQuery"),
    ("cdp_segment_api", "CDPSegment"),
    ("chatbot_api", "Chatbot"),
    ("chatter_api", "Chatter"),
    ("content", "Content"),
    ("custom_permissions", "CustomPermissions"),
    ("eclair_api", "Eclair"),
    ("einstein_gpt_api", "EinsteinGPT"),
    ("email", "Email"),
    ("forgot_password", "ForgotPassword"),
    ("full", "Full"),
    ("id", "Basic"),
    ("interaction_api", "Interaction"),
    ("lightning", "Lightning"),
    ("mcp_api", "MCP"),
    ("offline_access", "OfflineAccess"),
    ("openid", "OpenID"),
    ("pardot_api", "Pardot"),
    ("phone", "Phone"),
    ("profile", "Profile"),
    ("pwdless_login_api", "PwdlessLogin"),
    ("refresh_token", "RefreshToken"),
    ("scrt_api", "SCRT"),
    ("sfap_api", "SFApiPlatform"),
    ("user_registration_api", "UserRegistration"),
    ("visualforce", "CustomApplications"),
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
