//! A program without a web framework. It gets its access token in three ways and counts accounts with each:
//!
//! ```sh
//! cargo run -p salesforce-connection --example without_actix              # all three in sequence
//! cargo run -p salesforce-connection --example without_actix -- --jwt     # or --fixed, --client-credentials
//! ```
//!
//! It runs against a fake org on this machine. With a real org only the lines of `main` change.
#![allow(clippy::print_stdout, reason = "a program of the command line")]

use std::{error::Error, sync::Arc};

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use salesforce_connection::{
    Client, Connection, UserRef,
    http::AllowedHosts,
    oauth::{LoginHost, OAuthApp, OAuthClient},
    token::{FixedToken, PrivateKey, ServiceTokenSource, ServiceUser, TokenSource},
};
use salesforce_fake_org::{FakeOrg, PermittedUsers};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USERNAME: &str = "robot@example.com";

#[tokio::main]
async fn main() -> Result<()> {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
    let certificate = CertificateParams::new(Vec::new())?.self_signed(&key)?.pem();
    let org = FakeOrg::builder().execution_user(USERNAME).certificate(&certificate)?;
    let org = org.permitted_users(PermittedUsers::AdminApproved(vec![USERNAME.into()])).start().await?;
    let user = org.user(USERNAME);

    // With a real org: `LoginHost::my_domain("acme")?`, and `AllowedHosts::default()`.
    let host: LoginHost = org.instance_url().parse()?;
    let hosts = AllowedHosts::new([host.as_url().clone(), org.login_url().parse()?]);
    let client = Client::builder().allowed_hosts(hosts).build()?;
    let app = OAuthApp::new(org.client_id(), Some(org.client_secret().into()));
    let oauth = OAuthClient::with_client(app, &client);

    let flag = std::env::args().nth(1);
    for way in ["--fixed", "--client-credentials", "--jwt"] {
        if flag.as_deref().is_some_and(|flag| flag != way) {
            continue;
        }
        let source: Arc<dyn TokenSource> = match way {
            "--fixed" => {
                let tokens = org.issue_tokens(&user, "api");
                let user = UserRef::new(user.organization_id().parse()?, user.id().parse()?);
                let instance = tokens.instance_url.parse()?;
                Arc::new(FixedToken::new(user, instance, &tokens.access_token.into())?)
            }
            "--client-credentials" => {
                let user = ServiceUser::client_credentials(host.clone());
                ServiceTokenSource::builder(oauth.clone(), user).build().connect().await?
            }
            _ => {
                let key = PrivateKey::from_pem(&key.serialize_pem().into())?;
                let user = ServiceUser::jwt_bearer(org.login_url().parse()?, USERNAME, key);
                ServiceTokenSource::builder(oauth.clone(), user).build().connect().await?
            }
        };
        count_accounts(way, &Connection::new(&client, source)).await?;
    }
    Ok(())
}

/// The work itself does not depend on the kind of token.
async fn count_accounts(way: &str, sf: &Connection) -> salesforce_connection::Result<()> {
    let accounts = sf.query::<()>("SELECT COUNT() FROM Account").count().await?;
    println!("{way}: {accounts} accounts, as {}", sf.identity().await?.username);
    Ok(())
}
