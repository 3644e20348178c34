//! What the examples share: settings from the environment, or a fake org when there are none.

#![allow(unreachable_pub, reason = "a module of several examples")]
#![allow(dead_code, reason = "each example uses a part")]
#![allow(clippy::print_stdout, reason = "this is how an example greets")]

use std::{error::Error, fmt, net::TcpListener, num::NonZeroUsize};

use actix_salesforce::{Builder, Config, Salesforce};
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
    set_up_with(|builder| builder).await
}

/// The same, with settings in code.
pub async fn set_up_with(settings: impl FnOnce(Builder) -> Builder) -> Result<Setup, Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned()))
        .with_writer(std::io::stderr)
        .init();
    let mut config = Config::from_env();
    let public_url = config.public_url.clone();
    let org = if config.client_id.is_empty() {
        let org = FakeOrg::start().await?;
        config.client_id = org.client_id().to_owned();
        config.client_secret = Some(org.client_secret().to_owned().into());
        config.login_url = org.login_url().to_owned();
        config.allowed_origins.push(org.instance_url().to_owned());
        Some(org)
    } else {
        None
    };
    let salesforce = settings(Builder::from(config)).build().await?;
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
            "Open {public_url} and sign in as ada@example.com (any sample user; the password is on the page)."
        );
    } else {
        println!("Open {public_url}");
    }
    Ok(Setup { salesforce, bind, workers, _org: org })
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
    Ok(format!("{host}:{}", url.port_or_known_default().unwrap_or(80)))
}
