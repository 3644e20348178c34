//! An org or settings that are broken in one way each: the break is named, and nothing else is.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use salesforce_fake_org::{FakeOrg, Fault, PermittedUsers, Route};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    browser::Choice,
    run::{Doctor, Ended},
};

/// A way in which something is broken.
struct Break {
    name: &'static str,
    /// The policies of the org.
    policy: Value,
    /// Faults and what no policy says.
    org: fn(&FakeOrg),
    /// The settings and the arguments.
    doctor: fn(Doctor<'_>) -> Doctor<'_>,
    /// The checks that name it; all others pass or are skipped.
    found: &'static [&'static str],
    /// What the first of them says: in the text, the code, the fix or the place.
    says: &'static [&'static str],
    /// The checks that are skipped because of it, besides [`ALWAYS`].
    skips: Vec<&'static str>,
    /// Why some of them are skipped: a check, and a part of its text.
    because: &'static [(&'static str, &'static str)],
    /// The checks whose finding is about no place in Setup.
    elsewhere: &'static [&'static str],
}

/// Skipped in each run here: no app runs, and the store is in memory.
const ALWAYS: [&str; 5] = ["public-url", "proxy-headers", "store-lease", "store-latency", "stored-grants"];
/// The checks of what is not in the org: the settings, the machine, the store, a proxy.
const NOT_IN_SETUP: [&str; 11] = [
    "settings",
    "keys",
    "store",
    "store-lease",
    "store-latency",
    "stored-grants",
    "public-url",
    "proxy-headers",
    "reach",
    "clock",
    "api-version",
];
/// What needs the tokens of a login.
const TOKENS: &[&str] = &[
    "granted-scopes",
    "id-token",
    "ip-restrictions",
    "refresh-token",
    "refresh",
    "rotation",
    "api",
    "api-usage",
    "api-version",
];
const LOGIN: &[&str] = &["login"];
/// What Salesforce says of an app that it lets log users in.
const APP: &[&str] = &["scopes", "pkce", "secret"];
/// What the login host says.
const HOST: &[&str] = &["clock", "app", "callback"];

fn broken(name: &'static str, found: &'static [&'static str], says: &'static [&'static str]) -> Break {
    Break {
        name,
        policy: json!({}),
        org: |_| {},
        doctor: |doctor| doctor,
        found,
        says,
        skips: Vec::new(),
        because: &[],
        elsewhere: &[],
    }
}

impl Break {
    fn policy(mut self, policy: Value) -> Self {
        self.policy = policy;
        self
    }

    fn org(mut self, org: fn(&FakeOrg)) -> Self {
        self.org = org;
        self
    }

    fn doctor(mut self, doctor: fn(Doctor<'_>) -> Doctor<'_>) -> Self {
        self.doctor = doctor;
        self
    }

    fn skips<const N: usize>(mut self, skipped: [&[&'static str]; N]) -> Self {
        self.skips = skipped.concat();
        self
    }

    fn because(mut self, reasons: &'static [(&'static str, &'static str)]) -> Self {
        self.because = reasons;
        self
    }

    fn elsewhere(mut self, checks: &'static [&'static str]) -> Self {
        self.elsewhere = checks;
        self
    }
}

#[rustfmt::skip]
fn breaks() -> Vec<Break> {
    vec![
        // Settings, keys and store.
        broken("no client id", &["settings"], &["SALESFORCE_CLIENT_ID"]).skips([TOKENS, LOGIN, APP, HOST, &["keys", "reach"]]).doctor(|doctor| doctor.unset("SALESFORCE_CLIENT_ID")),
        broken("a misspelt setting", &["settings"], &["Did you mean SALESFORCE_CLIENT_SECRET?"])
            .doctor(|doctor| doctor.set("SALESFORCE_CLIENT_SECRTE", "x")),
        broken("an address that is not that of the Pub/Sub API", &["settings"], &["SALESFORCE_PUBSUB_URL"]).skips([TOKENS, LOGIN, APP, HOST, &["keys", "reach"]])
            .because(&[("login", "settings are invalid")])
            .doctor(|doctor| doctor.set("SALESFORCE_PUBSUB_URL", "https://pubsub.example")),
        broken("a short key", &["keys"], &["SALESFORCE_KEYS", "32 bytes in base64"])
            .doctor(|doctor| doctor.set("SALESFORCE_KEYS", "c2hvcnQ=")),
        broken("a proxy that is unreachable", &["reach"], &["unreachable", "SALESFORCE_TOKEN_PROXY"]).skips([TOKENS, LOGIN, APP, HOST])
            .doctor(|doctor| doctor.set("SALESFORCE_TOKEN_PROXY", "http://proxy:hush-of-a-proxy@127.0.0.1:1")),
        broken("an invalid proxy", &["settings"], &["SALESFORCE_API_PROXY"]).skips([TOKENS, LOGIN, APP, HOST, &["keys", "reach"]])
            .doctor(|doctor| doctor.set("SALESFORCE_API_PROXY", "ftp://proxy:hush-of-a-proxy@127.0.0.1:1")),
        broken("a store that is unreachable", &["store"], &["SALESFORCE_STORE"])
            .because(&[("store-lease", "cannot be opened")])
            .doctor(|doctor| doctor.set("SALESFORCE_KEYS", crate::run::KEY).set("SALESFORCE_STORE", "postgres://app:hush-of-a-store@127.0.0.1:1/app")),
        broken("an invalid key of the service user", &["settings"], &["SALESFORCE_SERVICE_KEY"]).skips([TOKENS, LOGIN, APP, HOST, &["keys", "reach"]])
            .doctor(|doctor| doctor.with_key("-----BEGIN PRIVATE KEY-----\nhush-of-a-key\n-----END PRIVATE KEY-----")),
        broken("a durable store without keys", &["keys"], &["outlive the process"])
            .doctor(|doctor| doctor.set("SALESFORCE_STORE", "redis://127.0.0.1:1").with(["--allow", "store"])),
        broken("an unknown store", &["store"], &["SALESFORCE_STORE"])
            .doctor(|doctor| doctor.set("SALESFORCE_STORE", "mysql://user:hush@127.0.0.1")),
        broken("a cache of logins that a store in memory lacks", &["settings"], &["SALESFORCE_CACHE_LOGINS", "redis://"]).skips([TOKENS, LOGIN, APP, HOST, &["keys", "reach"]])
            .doctor(|doctor| doctor.set("SALESFORCE_CACHE_LOGINS", "true")),
        broken("a certificate whose file is missing", &["settings"], &["SALESFORCE_CALLER_CERTIFICATES", "could not be read"]).skips([TOKENS, LOGIN, APP, HOST, &["keys", "reach"]])
            .doctor(|doctor| doctor.with_caller("orders=/no/such/orders.crt")),
        broken("a store in a folder that is missing", &["store"], &["folder"])
            .doctor(|doctor| doctor.set("SALESFORCE_KEYS", crate::run::KEY).set("SALESFORCE_STORE", "sqlite:/no/such/folder/x.db")),
        // The host.
        broken("an unreachable login host", &["reach"], &["unreachable", "DNS"]).skips([TOKENS, LOGIN, APP, HOST])
            .doctor(|doctor| doctor.set("SALESFORCE_LOGIN_URL", "http://127.0.0.1:1")),
        broken("a login host that refuses", &["reach"], &["status-503", "refuses to work"]).skips([TOKENS, LOGIN, APP, HOST])
            .org(|org| drop(org.faults().at(Route::Authorize, Fault::Status(503)))),
        broken("a login host under maintenance", &["reach"], &["status-503"]).skips([TOKENS, LOGIN, APP, HOST])
            .org(|org| drop(org.faults().at(Route::Authorize, Fault::Maintenance))),
        broken("a lost connection", &["reach"], &["unreachable"]).skips([TOKENS, LOGIN, APP, HOST])
            .org(|org| drop(org.faults().at(Route::Authorize, Fault::ResetBeforeRead))),
        broken("a clock two hours off", &["clock"], &["seconds behind", "NTP"]).policy(json!({"date_skew_seconds": 7_200})),
        broken("a clock half a minute off", &["clock"], &["ahead of", "NTP"]).policy(json!({"date_skew_seconds": -30})),
        broken("an ID token of another time", &["id-token"], &["seconds behind", "NTP"]).elsewhere(&["id-token"])
            .org(|org| org.set_time(SystemTime::now() + Duration::from_secs(3_600))),
        // The app.
        broken("an unknown client id", &["app"], &["invalid_client_id", "SALESFORCE_CLIENT_ID"]).skips([TOKENS, LOGIN, APP, &["callback"]])
            .doctor(|doctor| doctor.set("SALESFORCE_CLIENT_ID", "3MVG9.Unknown")),
        broken("a wrong client secret", &["secret"], &["SALESFORCE_CLIENT_SECRET", "OAuth settings"]).skips([TOKENS, LOGIN])
            .doctor(|doctor| doctor.set("SALESFORCE_CLIENT_SECRET", "1234567890")),
        broken("credentials from before a rotation that ended", &["secret"], &["SALESFORCE_PREVIOUS_CLIENT_ID"]).elsewhere(&["secret"])
            .policy(json!({"rotated_credentials": {"client_id": "3MVG9.New", "client_secret": "newer-than-before"}, "first_credentials": "invalid_client"}))
            .doctor(|doctor| doctor.rotated()),
        broken("a blocked app", &["app"], &["oauth_app_blocked", "OAuth Usage"]).skips([TOKENS, LOGIN, APP]).policy(json!({"app_state": "blocked"})),
        broken("an app that is not installed", &["app"], &["invalid_client", "installed"]).skips([TOKENS, LOGIN, APP]).policy(json!({"app_state": "uninstalled"})),
        broken("an app without a reason", &["app"], &["oauth_approval_error_generic"]).skips([TOKENS, LOGIN, APP, &["callback"]]).policy(json!({"app_state": "failing"})),
        broken("a locked org", &["app"], &["inactive_org"]).elsewhere(&["app"]).skips([TOKENS, LOGIN, APP]).policy(json!({"org_locked": true})),
        broken("no registered callback", &["callback"], &["redirect_uri_mismatch", "is not registered", "Callback URL"]).skips([TOKENS, LOGIN, &["scopes", "pkce", "login-callback"]])
            .policy(json!({"redirect_uris": ["https://app.example/other"]})),
        broken("the app's callback is not registered, the loopback one is", &["callback"], &["redirect_uri_mismatch"])
            .policy(json!({"redirect_uris": ["http://localhost:19876/OauthRedirect"]}))
            .doctor(|doctor| doctor.with(["--callback", "http://localhost:19876/OauthRedirect"])),
        broken("PKCE is optional", &["pkce"], &["Proof Key"]).policy(json!({"pkce_required": false})),
        broken("a scope that the app lacks", &["scopes"], &["assigned: openid.", "Selected OAuth Scopes"]).skips([TOKENS, LOGIN])
            .policy(json!({"scopes": ["api", "refresh_token"]})),
        // The login.
        broken("a user who is not approved", &["login"], &["invalid_app_access", "Setup > "]).skips([TOKENS])
            .org(|org| org.set_permitted_users(PermittedUsers::AdminApproved(vec!["bob@example.com".into()]))),
        broken("a login whose tokens are lost", &["login", "revoked"], &["was lost", "run it again"]).elsewhere(&["login"]).skips([TOKENS])
            .org(|org| drop(org.faults().token_endpoint(Fault::LoseResponse.once()))),
        broken("a scope that is not granted", &["granted-scopes"], &["did not grant: openid.", "Selected OAuth Scopes"])
            .org(|org| drop(org.faults().token_endpoint(Fault::MergeJson(json!({"scope": "api refresh_token"})).once()))),
        broken("a user who denies", &["login"], &["access_denied"]).elsewhere(&["login"]).skips([TOKENS]).doctor(|doctor| doctor.choosing(Choice::Deny)),
        broken("logins by My Domain only", &["login"], &["No login was completed"]).elsewhere(&["login"]).skips([TOKENS])
            .policy(json!({"my_domain_login_only": true})).doctor(|doctor| doctor.arguments(["--yes", "--json", "--timeout=2"])),
        broken("an address that is not allowed", &["ip-restrictions"], &["ip restricted", "Network Access"]).skips([TOKENS, LOGIN])
            .policy(json!({"ip_restricted": true})),
        broken("an address that is not allowed to refresh", &["ip-restrictions"], &["ip restricted"]).skips([&["refresh", "rotation"]])
            .policy(json!({"token_errors": {"refresh_token": {"error": "invalid_grant", "description": "ip restricted"}}})),
        broken("an instance that is not allowed", &["login", "revoked"], &["SALESFORCE_ALLOWED_ORIGINS"]).skips([TOKENS])
            .doctor(|doctor| doctor.unset("SALESFORCE_ALLOWED_ORIGINS")),
        broken("no scope for refresh tokens", &["refresh-token", "settings"], &["no refresh token"]).skips([&["refresh", "rotation"]])
            .doctor(|doctor| doctor.set("SALESFORCE_SCOPES", "api openid")),
        broken("refresh tokens that never work", &["refresh"], &["a moment ago", "Refresh Token Policy"]).skips([&["ip-restrictions", "rotation"]])
            .policy(json!({"refresh_policy": "never"})),
        broken("a user who is deactivated meanwhile", &["refresh"], &["inactive_user", "Users > Users"]).skips([&["ip-restrictions", "rotation"]])
            .policy(json!({"token_errors": {"refresh_token": {"error": "inactive_user", "description": "user is inactive"}}})),
        broken("a refresh whose response is lost", &["refresh", "revoked"], &["was lost", "run it again"]).elsewhere(&["refresh"]).skips([&["ip-restrictions", "rotation"]])
            .org(|org| drop(org.faults().refresh(Fault::LoseResponse.once()))),
        broken("no rotation", &["rotation"], &["rotation is off", "Enable Refresh Token Rotation"]).policy(json!({"rotation": false})),
        broken("a login that cannot be revoked", &["revoked"], &["by hand", "OAuth Connected Apps"])
            .org(|org| drop(org.faults().at(Route::Revoke, Fault::Status(503)))),
        // The API.
        broken("sessions locked to an address", &["ip-restrictions"], &["Lock sessions"]).skips([&["api", "api-usage"]]).policy(json!({"api_access": "ip_locked"}))
            .because(&[("api", "rejects the token")]),
        broken("no scope api", &["api"], &["invalid_session_id", "API Enabled"]).skips([&["api-usage"]])
            .policy(json!({"api_access": "missing_scope"})),
        broken("an org without the API", &["api"], &["api_disabled_for_org"]).skips([&["api-usage"]]).policy(json!({"api_access": "disabled"})),
        broken("an expired password", &["api"], &["expired", "new password"]).skips([&["api-usage"]]).policy(json!({"api_access": "expired_password"})),
        broken("no API requests left", &["api-usage"], &["limit", "Company Information"]).skips([&["api"]]).policy(json!({"api_limit": 0}))
            .because(&[("api", "used up")]),
        broken("a lost connection to the API", &["api"], &["unreachable", "SALESFORCE_API_PROXY"]).elsewhere(&["api"])
            .skips([&["api-usage", "api-version", "ip-restrictions"]]).because(&[("ip-restrictions", "is unknown")])
            .org(|org| drop(org.faults().api(Fault::ResetBeforeRead))),
        broken("an API that is out of order", &["api"], &["status.salesforce.com"]).elsewhere(&["api"])
            .skips([&["api-usage", "api-version", "ip-restrictions"]]).because(&[("ip-restrictions", "is unknown")])
            .org(|org| drop(org.faults().api(Fault::Status(503)))),
        broken("a version that the org lacks", &["api-version"], &["99", "SALESFORCE_API_VERSION"]).skips([&["api", "api-usage"]])
            .doctor(|doctor| doctor.set("SALESFORCE_API_VERSION", "99.0")),
        broken("an old version", &["api-version"], &["will be retired"]).doctor(|doctor| doctor.set("SALESFORCE_API_VERSION", "52.0")),
        broken("a wrong secret of the service user's app", &["service-user"], &["SALESFORCE_SERVICE_CLIENT_SECRET"]).doctor(|doctor| {
            let id = doctor.client_id();
            doctor.with_service().set("SALESFORCE_SERVICE_CLIENT_ID", &id).set("SALESFORCE_SERVICE_CLIENT_SECRET", "1234567890")
        }),
        broken("a service user at a host that is unreachable", &["service-user"], &["unreachable", "SALESFORCE_SERVICE_URL"]).elsewhere(&["service-user"])
            .doctor(|doctor| doctor.set("SALESFORCE_SERVICE_URL", "http://127.0.0.1:1")),
        broken("a token of the service user that is lost", &["revoked", "service-user"], &["was lost", "session timeout"]).elsewhere(&["service-user", "revoked"]).skips([TOKENS, LOGIN])
            .org(|org| drop(org.faults().at(Route::Token, Fault::LoseResponse.grant_type("client_credentials"))))
            .doctor(|doctor| doctor.with_service().arguments(["--json", "--client-credentials"])),
        broken("a key that is not that of the service user's app", &["service-user"], &["invalid_grant", "SALESFORCE_SERVICE_KEY", "digital signatures"])
            .doctor(|doctor| doctor.with_key(&crate::key::pair().0)),
        // The app's own rules, and parts of Salesforce that are out of order.
        broken("an org that the settings do not allow", &["login"], &["SALESFORCE_ALLOWED_ORGS does not name it"]).elsewhere(&["login"])
            .doctor(|doctor| doctor.set("SALESFORCE_ALLOWED_ORGS", "00D000000000009")),
        broken("an org that the settings deny", &["login"], &["SALESFORCE_DENIED_ORGS names it"]).elsewhere(&["login"])
            .doctor(|doctor| doctor.denying_its_org()),
        broken("keys of ID tokens that are not there", &["id-token"], &["keys"]).elsewhere(&["id-token"])
            .org(|org| drop(org.faults().path("/id/keys", Fault::Status(503)))),
        broken("a token endpoint under maintenance", &["login"], &["status.salesforce.com"]).elsewhere(&["login"]).skips([TOKENS])
            .org(|org| drop(org.faults().token_endpoint(Fault::Status(503).once()))),
        broken("too many requests for tokens", &["refresh"], &["429"]).elsewhere(&["refresh"]).skips([&["ip-restrictions", "rotation"]])
            .org(|org| drop(org.faults().refresh(Fault::Status(429).once()))),
        broken("a service user without a user to run as", &["service-user"], &["no client credentials user", "Run As"])
            .doctor(|doctor| doctor.with_service()),
    ]
}

async fn run(org: &FakeOrg, broken: &Break) -> Ended {
    org.set_policy(&broken.policy).expect("a policy");
    (broken.org)(org);
    (broken.doctor)(Doctor::of(org)).run().await
}

fn judge(broken: &Break, ended: &Ended) -> Result<(), String> {
    let name = broken.name;
    let found = ended.checks(&["failed", "warning"]);
    let expected: Vec<_> = broken.found.iter().map(|check| (*check).to_owned()).collect();
    let is_allowed = |check: &String| !(check == "store" && name == "a durable store without keys");
    let found: Vec<_> = found.into_iter().filter(is_allowed).collect();
    if found != expected || ended.status != Some(1) {
        return Err(format!("{name}: found {found:?}, expected {expected:?}: {ended:#?}"));
    }
    let findings = ended.findings();
    let names_it = |finding: &&Value| finding["check"] == broken.found[0] && finding["outcome"] != "passed";
    let text = findings.iter().filter(names_it).map(Value::to_string).collect::<String>();
    if let Some(missing) = broken.says.iter().find(|says| !text.contains(*says)) {
        return Err(format!("{name}: {missing} is not in {text}"));
    }
    for finding in
        findings.iter().filter(|finding| ["failed", "warning"].iter().any(|it| finding["outcome"] == *it))
    {
        if !finding["fix"].is_string() {
            return Err(format!("{name}: a finding has no fix: {finding}"));
        }
        let mut elsewhere = NOT_IN_SETUP.iter().chain(broken.elsewhere);
        let is_in_org = !elsewhere.any(|check| finding["check"] == *check);
        if is_in_org != finding["setup"].is_string() {
            return Err(format!("{name}: where in Setup, if it is there? {finding}"));
        }
    }
    for (check, why) in broken.because {
        let skipped = ended.finding(check);
        if skipped["outcome"] != "skipped" || !skipped["what"].as_str().is_some_and(|what| what.contains(why))
        {
            return Err(format!("{name}: {check} is not skipped because of \"{why}\": {skipped}"));
        }
    }
    let passed = ended.checks(&["passed"]);
    if let Some(check) = passed.iter().find(|check| broken.found.contains(&check.as_str())) {
        return Err(format!("{name}: {check} passed, too: {ended:#?}"));
    }
    // What a break makes impossible is skipped, not passed, and nothing else is skipped.
    let skips = ALWAYS.into_iter().chain(broken.skips.iter().copied());
    let skips: BTreeSet<_> = skips.filter(|check| !broken.found.contains(check)).map(str::to_owned).collect();
    let skipped: BTreeSet<_> = ended.checks(&["skipped"]).into_iter().collect();
    if skipped != skips {
        let (more, fewer) = (skipped.difference(&skips), skips.difference(&skipped));
        return Err(format!("{name}: skipped, too: {more:?}, not skipped: {fewer:?}: {ended:#?}"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_break_is_named_and_no_other_check_fails() {
    let mut running = JoinSet::<Result<(), String>>::new();
    let mut problems = Vec::new();
    for broken in breaks() {
        if running.len() == 4
            && let Some(judged) = running.join_next().await
        {
            problems.extend(judged.expect("no panic").err());
        }
        running.spawn(async move {
            let org = FakeOrg::builder().rows(2).start().await.expect("the fake org starts");
            let ended = run(&org, &broken).await;
            judge(&broken, &ended)
        });
    }
    while let Some(judged) = running.join_next().await {
        problems.extend(judged.expect("no panic").err());
    }
    assert!(problems.is_empty(), "{} of the breaks:\n{}", problems.len(), problems.join("\n"));
}
