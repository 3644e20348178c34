//! Describes from an org.

use std::{sync::Arc, time::SystemTime};

use actix_salesforce::{
    Config, Connection, Error, Secret, UserRef, VersionChoice,
    config::{ConfigError, ServiceUserConfig},
    http::AllowedHosts,
    oauth::{OAuthClient, OAuthError, TokenResponse},
    token::FixedToken,
};
use salesforce_connection::{Client, InvalidId};

use super::describe::Described;
use crate::failure::Failure;

/// The access token, by the name that the Salesforce CLI reads it from.
///
/// Source: Salesforce DX Developer Guide, "Use an Existing Access Token" and "View Org Authentication Secrets" (the
/// commands in the errors); "Environment Variables".
const TOKEN: &str = "SF_ACCESS_TOKEN";
/// The instance that the token belongs to.
const INSTANCE: &str = "SF_ORG_INSTANCE_URL";
/// The settings of the app that the connection needs. The others are about logins and their store.
const SETTINGS: [&str; 12] = [
    "SALESFORCE_CLIENT_ID",
    "SALESFORCE_CLIENT_SECRET",
    "SALESFORCE_LOGIN_URL",
    "SALESFORCE_SERVICE_URL",
    "SALESFORCE_SERVICE_USERNAME",
    "SALESFORCE_SERVICE_KEY",
    "SALESFORCE_SERVICE_CLIENT_ID",
    "SALESFORCE_SERVICE_CLIENT_SECRET",
    "SALESFORCE_ALLOWED_ORIGINS",
    "SALESFORCE_TOKEN_PROXY",
    "SALESFORCE_API_PROXY",
    "SALESFORCE_API_VERSION",
];

const PROXY: &str = "it has the form http://[USER:PASSWORD@]HOST:PORT or socks5://…, or is `env`";
const VERSION: &str = "it is a version such as 66.0, or `newest`";
const CLIENT: &str = "check SALESFORCE_API_PROXY and SALESFORCE_TOKEN_PROXY, and this machine's list of certificate authorities";
const CLI_TOKEN: &str =
    "set it to the token that `sf org auth show-access-token` prints, without quotes and blanks";

/// A connection to an org. It has to be closed.
pub(super) struct Live {
    connection: Connection,
    /// The token of the service user. A token of the Salesforce CLI belongs to that.
    issued: Option<Issued>,
}

/// A token that the org issued to this run.
struct Issued {
    oauth: OAuthClient,
    tokens: TokenResponse,
}

impl Issued {
    async fn revoke(self) {
        if let Err(error) = self.oauth.revoke(&self.tokens.instance_url, &self.tokens.access_token).await {
            Failure::of("the token of this run could not be revoked", &error)
                .help("it ends by itself with the session timeout of the org")
                .warn();
        }
    }
}

impl Live {
    /// Connects with a token of the Salesforce CLI, or as the app's service user.
    pub(super) async fn connect() -> Result<Self, Failure> {
        let variable = |name: &str| {
            std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        match (variable(TOKEN), variable(INSTANCE)) {
            (Some(token), Some(instance)) => Self::with_token(&token, &instance, variable),
            (Some(_), None) => Err(Failure::new(format_args!("{TOKEN} is set, and {INSTANCE} is not"))
                .help("set it to the instance URL that `sf org display` prints")),
            (None, Some(_)) => Err(Failure::new(format_args!("{INSTANCE} is set, and {TOKEN} is not"))
                .help("set it to the token that `sf org auth show-access-token` prints")),
            (None, None) if variable("SALESFORCE_CLIENT_ID").is_none() => {
                Err(Failure::new("the environment names no org").help(format!(
                    "set {TOKEN} (`sf org auth show-access-token`) and {INSTANCE} (`sf org display`), or the app's SALESFORCE_CLIENT_ID, \
                     SALESFORCE_CLIENT_SECRET and SALESFORCE_SERVICE_URL; or read a saved describe with `--describe FILE`"
                )))
            }
            (None, None) => Self::as_service_user(variable).await,
        }
    }

    fn with_token(
        token: &str,
        instance: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let url = |name: &str, text: &str| {
            text.parse().map_err(|error| {
                Failure::of(format_args!("{name} is not a URL"), &error)
                    .help("it has the form https://acme.my.salesforce.com")
            })
        };
        let origins = variable("SALESFORCE_ALLOWED_ORIGINS").unwrap_or_default();
        let origins = origins.split_whitespace().map(|origin| url("SALESFORCE_ALLOWED_ORIGINS", origin));
        let mut client =
            Client::builder().allowed_hosts(AllowedHosts::new(origins.collect::<Result<Vec<_>, _>>()?));
        if let Some(proxy) = variable("SALESFORCE_API_PROXY") {
            let proxy = proxy
                .parse()
                .map_err(|error| Failure::of("SALESFORCE_API_PROXY is not a proxy", &error).help(PROXY))?;
            client = client.api_proxy(proxy);
        }
        if let Some(version) = variable("SALESFORCE_API_VERSION") {
            let version: VersionChoice = version.parse().map_err(|error| {
                Failure::of("SALESFORCE_API_VERSION is not a version", &error).help(VERSION)
            })?;
            client = client.api_version(version);
        }
        let client = client
            .build()
            .map_err(|error| Failure::of("cannot create an HTTP client", &error).help(CLIENT))?;
        let user = user(token).map_err(|error| {
            Failure::of(format_args!("{TOKEN} is not an access token"), &error).help(CLI_TOKEN)
        })?;
        let source =
            FixedToken::new(user, url(INSTANCE, instance)?, &Secret::new(token)).map_err(|error| {
                Failure::of(format_args!("{TOKEN} is not an access token"), &error).help(CLI_TOKEN)
            })?;
        Ok(Self { connection: Connection::new(&client, Arc::new(source)), issued: None })
    }

    async fn as_service_user(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let mut config =
            Config::from_variables(|name| SETTINGS.contains(&name).then(|| variable(name)).flatten());
        // The app's login host is a My Domain in most set-ups, which is what client credentials need.
        if config.service.is_none() {
            let mut service = ServiceUserConfig::default();
            service.url.clone_from(&config.login_url);
            config.service = Some(service);
        }
        let plan = config.plan().map_err(|error| settings(&error))?;
        let client = plan
            .client
            .build()
            .map_err(|error| Failure::of("cannot create an HTTP client", &error).help(CLIENT))?;
        let user = plan.service.ok_or_else(|| {
            Failure::new("the settings name no service user")
                .help("set SALESFORCE_SERVICE_URL to the My Domain of the org")
        })?;
        let oauth = OAuthClient::with_client(user.app().cloned().unwrap_or(plan.app), &client);
        let tokens =
            oauth.service_tokens(&user, SystemTime::now()).await.map_err(|error| no_token(&error))?;
        let source = FixedToken::new(tokens.identity.user, tokens.instance_url.clone(), &tokens.access_token);
        let issued = Issued { oauth, tokens };
        match source {
            Ok(source) => {
                Ok(Self { connection: Connection::new(&client, Arc::new(source)), issued: Some(issued) })
            }
            Err(error) => {
                issued.revoke().await;
                Err(Failure::of("cannot use the token of the service user", &error)
                    .help("check that no proxy changes responses of the org"))
            }
        }
    }

    /// Revokes the token, if the org issued it to this run.
    pub(super) async fn close(self) {
        if let Some(issued) = self.issued {
            issued.revoke().await;
        }
    }

    /// Returns an object; `None` if the org has none of this name that the user may see.
    pub(super) async fn describe(&self, name: &str) -> Result<Option<Described>, Failure> {
        let doing = format!("describe {name}");
        match self.connection.get(format!("sobjects/{name}/describe")).send().await {
            Ok(response) => response.json().map(Some).map_err(|error| self.failure(&doing, &error)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(self.failure(&doing, &error)),
        }
    }

    /// Returns the names of all objects that the user may see.
    pub(super) async fn names(&self) -> Result<Vec<String>, Failure> {
        let objects = self.connection.describe_global().await;
        let objects = objects.map_err(|error| self.failure("list the objects", &error))?;
        Ok(objects.iter().map(|object| object.name.clone()).collect())
    }

    /// Tells an org that cannot be reached from one that refuses.
    fn failure(&self, doing: &str, error: &Error) -> Failure {
        let refused = || Failure::of(format_args!("cannot {doing}: the org refuses"), error);
        match error {
            Error::LimitExceeded { .. } => refused()
                .help("the org's limit is that of 24 hours: try again later, or read a saved describe with `--describe FILE`"),
            error if error.is_transient() => unreachable_org(doing, error),
            Error::LoginRequired if self.issued.is_some() => {
                Failure::new(format_args!("cannot {doing}: the org refuses the access token that it issued"))
                    .help("give the service user \"API Enabled\", and the app the scope `api`")
            }
            Error::LoginRequired => {
                Failure::new(format_args!("cannot {doing}: the org refuses the access token: it has ended"))
                    .help(format!("get a new one with `sf org auth show-access-token`, and set {TOKEN}"))
            }
            Error::ApiAccessDenied { .. } => {
                refused().help("give the user \"API Enabled\", and the app the scope `api`")
            }
            Error::Api { .. } => refused().help(
                "the code says why; an administrator sees the request in the login history or the event log",
            ),
            _ => Failure::of(format_args!("cannot {doing}"), error)
                .help("check that no proxy changes responses of the org; or read a saved describe with `--describe FILE`"),
        }
    }
}

/// The user in the errors and caches of the connection. A token begins with its org's id; nothing here needs the user's.
fn user(token: &str) -> Result<UserRef, InvalidId> {
    let org = token.split_once('!').and_then(|(org, _)| org.parse().ok());
    let org = org.map_or_else(|| "00D000000000000".parse(), Ok)?;
    Ok(UserRef::new(org, "005000000000000".parse()?))
}

fn settings(error: &ConfigError) -> Failure {
    Failure::of("the settings do not name an org", error).help(format!(
        "the variables are those of the app, for a service user (docs/settings.md); or set {TOKEN} and {INSTANCE}"
    ))
}

/// Why the service user got no token.
fn no_token(error: &OAuthError) -> Failure {
    match error {
        OAuthError::NeedsMyDomain => {
            Failure::of("cannot log in", error).help("set SALESFORCE_SERVICE_URL to the My Domain of the org")
        }
        error if error.is_response_lost() => {
            Failure::of("cannot log in: the response to the request for a token was lost", error).help(
                "run it again. Salesforce may have issued a token; it ends by itself with the session timeout of the org",
            )
        }
        error if error.is_transient() => unreachable_org("log in", error),
        OAuthError::Http(_) | OAuthError::Signing => Failure::of("cannot log in", error)
            .help("compare SALESFORCE_SERVICE_URL and SALESFORCE_SERVICE_KEY with the org and its app"),
        error => Failure::of("cannot log in: the org refuses", error).help(
            "check SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET, and in the app's policies the client credentials flow with its user; \
             with a key SALESFORCE_SERVICE_KEY and SALESFORCE_SERVICE_USERNAME, the app's certificate and its permitted users",
        ),
    }
}

fn unreachable_org(doing: &str, error: &dyn std::error::Error) -> Failure {
    Failure::of(format_args!("cannot {doing}: the org cannot be reached"), error).help(format!(
        "check the address ({INSTANCE}, or SALESFORCE_SERVICE_URL), the network, and SALESFORCE_API_PROXY and \
         SALESFORCE_TOKEN_PROXY if it has a proxy; or read a saved describe with `--describe FILE`"
    ))
}
