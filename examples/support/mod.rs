//! What the examples share: settings from the environment, or a fake org when there are none.

#![allow(unreachable_pub, dead_code, reason = "a module of several examples, which use parts of it")]
#![allow(clippy::print_stdout, reason = "this is how an example greets")]

use std::{error::Error, fmt, io::IsTerminal as _, net::TcpListener, num::NonZeroUsize};

use actix_salesforce::{Config, Salesforce, SalesforceBuilder};
use salesforce_fake_org::FakeOrg;

/// What an example needs to run.
pub struct Setup {
    pub salesforce: Salesforce,
    /// Where to listen: `BIND`, or the host and port of `SALESFORCE_PUBLIC_URL`.
    pub bind: String,
    /// How many workers: `WORKERS`, or as many as there are cores.
    pub workers: usize,
    /// Runs for as long as this is held.
    pub _org: Option<FakeOrg>,
}

/// Uses the org that the environment names. Without `SALESFORCE_CLIENT_ID` it starts a fake one in this process.
pub async fn set_up() -> Result<Setup, Box<dyn Error>> {
    set_up_with(Config::from_env(), |builder| builder).await
}

/// As [`set_up`], with other settings, and more of them in code.
pub async fn set_up_with(
    config: Config,
    more: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
) -> Result<Setup, Box<dyn Error>> {
    start_logging();
    let (config, org) = with_org(config).await?;
    let public_url = config.public_url.clone();
    let salesforce = more(SalesforceBuilder::from(config)).build().await?;
    let bind = match std::env::var("BIND") {
        Ok(bind) => bind,
        Err(_) => authority(&public_url)?,
    };
    // Tried here, where there is more to say about it than the server's own error does.
    TcpListener::bind(&bind).map_err(|error| {
        Trouble(format!(
            "cannot listen on {bind}: {error}. Stop what listens there, or choose another port: \
             SALESFORCE_PUBLIC_URL=http://127.0.0.1:8081"
        ))
    })?;
    let workers = match std::env::var("WORKERS") {
        Ok(workers) => workers
            .parse::<NonZeroUsize>()
            .map_err(|_| Trouble("WORKERS: give a whole number above 0".to_owned()))?
            .get(),
        Err(_) => std::thread::available_parallelism()?.get(),
    };
    if org.is_some() {
        println!("SALESFORCE_CLIENT_ID is not set: a fake Salesforce runs inside this program.");
        println!(
            "Open {public_url} and log in as ada@example.com (any sample user; the password is on the page)."
        );
    } else {
        println!("Open {public_url}");
    }
    Ok(Setup { salesforce, bind, workers, _org: org })
}

/// Settings without a client id get those of a fake org that starts here. Ada is its service user, and the only one with
/// the custom permission `Manage_Invoices`.
pub async fn with_org(mut config: Config) -> Result<(Config, Option<FakeOrg>), Box<dyn Error>> {
    if !config.client_id.is_empty() {
        return Ok((config, None));
    }
    let org = FakeOrg::builder()
        .execution_user("ada@example.com")
        .change_events(&["Account"])
        .user_access("ada@example.com", &serde_json::json!({ "custom_permissions": ["Manage_Invoices"] }))?
        .start()
        .await?;
    config.client_id = org.client_id();
    config.client_secret = Some(org.client_secret().into());
    config.login_url = org.login_url();
    config.allowed_origins.push(org.instance_url());
    #[cfg(feature = "events")]
    {
        config.api.pubsub_url = Some(org.pubsub().endpoint());
    }
    config.service.get_or_insert_default().url = org.instance_url();
    Ok((config, Some(org)))
}

/// What `RUST_LOG` asks for, `info` without it, on standard error.
pub fn start_logging() {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Colour codes are for a terminal, not for a file.
        .with_ansi(std::io::stderr().is_terminal());
    // The second set-up of one program finds it there.
    let _ = subscriber.try_init();
}

/// What keeps an example from starting, in words. A `main` that fails prints the `Debug` form.
struct Trouble(String);

impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Trouble {}

/// `host:port` of a URL.
fn authority(url: &str) -> Result<String, Box<dyn Error>> {
    let url = url::Url::parse(url)?;
    let host = url.host_str().ok_or("the public URL has no host")?;
    // Browsers look these names up on this machine; the system may not.
    let host = if host.ends_with(".localhost") { "127.0.0.1" } else { host };
    Ok(format!("{host}:{}", url.port_or_known_default().unwrap_or(80)))
}
