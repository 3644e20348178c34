//! What the integration tests share: a fake org, an app of several workers around it, and browsers to visit it.
//!
//! A test that cannot run fails and says what is missing; none is skipped.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod app;
pub mod axe;
pub mod browser;
pub mod client;
pub mod example;
pub mod failing;
pub mod forward_proxy;
pub mod hostile;
pub mod logs;
pub mod pages;
pub mod proxy;
pub mod raw;
pub mod servers;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use actix_salesforce::{Connection, Salesforce, SalesforceBuilder, UserRef};
use salesforce_fake_org::FakeOrg;
use url::Url;

pub use self::{
    app::{Server, reserve, serve},
    client::{Client, Page},
};

/// The default user of the fake org.
pub const ADA: &str = "ada@example.com";

/// A little more than the cool-down after a refresh that failed.
///
/// The one place for the library's times: a fast `Timing`, once the library has one, is set in [`settings_for`], and this
/// becomes a little more than its cool-down. Programs that tests start keep the times of production.
pub const COOL_DOWN: Duration = Duration::from_millis(2_600);

/// Where a login starts.
pub const LOGIN: &str = "/auth/salesforce/login";
/// Where Salesforce sends the browser back to.
pub const CALLBACK: &str = "/auth/salesforce/callback";

/// A fake org, and an app in front of it.
pub struct TestApp {
    pub org: FakeOrg,
    pub salesforce: Salesforce,
    pub server: Server,
}

impl TestApp {
    /// The ordinary case: four workers, everything by default, Ada signed in at Salesforce.
    pub async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    /// With other settings.
    pub async fn with(settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> Self {
        let org = FakeOrg::start().await.expect("the fake org starts");
        org.sign_in(&org.user(ADA));
        Self::around(org, settings).await
    }

    /// Around an org that the test prepared.
    pub async fn around(org: FakeOrg, settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> Self {
        let (listener, url) = reserve();
        let salesforce = settings(settings_for(&org, &url)).build().await.expect("the settings are good");
        let server = app::standard(listener, 4, salesforce.clone());
        Self { org, salesforce, server }
    }

    /// The app's address with a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    /// A browser in which Ada has logged in.
    pub async fn logged_in(&self) -> Client {
        let browser = Client::new();
        self.log_in(&browser).await;
        browser
    }

    /// Logs in with this browser, as the user who is signed in at the fake org.
    pub async fn log_in(&self, browser: &Client) {
        let page = browser.visit(&self.url("/whoami")).await;
        assert_eq!(page.status, 200, "the login works: {page:?}");
    }

    /// The callback URL that Salesforce sends this browser to, not opened yet.
    pub async fn callback_of(&self, browser: &Client) -> Url {
        browser.visit_until(&self.url("/whoami"), CALLBACK).await
    }

    /// Whether the app knows who this browser is.
    pub async fn is_logged_in(&self, browser: &Client) -> bool {
        browser.fetch(&self.url("/user")).await.status == 200
    }

    /// The connection of someone who logged in.
    pub async fn connection(&self) -> Connection {
        let browser = self.logged_in().await;
        let me = browser.fetch(&self.url("/auth/salesforce/me")).await.json();
        let id = |name: &str| me[name].as_str().expect("an id").to_owned();
        let (org, user) =
            (id("organization_id").parse().expect("an id"), id("user_id").parse().expect("an id"));
        self.salesforce.user_connection(UserRef::new(org, user)).await.expect("the login is there")
    }

    /// How many refreshes the fake org was asked for.
    pub fn refreshes(&self) -> u64 {
        self.org.token_calls("refresh_token")
    }

    /// How many codes were traded in.
    pub fn exchanges(&self) -> u64 {
        self.org.token_calls("authorization_code")
    }
}

/// Settings that point at the fake org.
pub fn settings_for(org: &FakeOrg, public_url: &str) -> SalesforceBuilder {
    Salesforce::builder()
        .client_id(org.client_id())
        .client_secret(org.client_secret())
        .login_url(org.login_url())
        .allowed_origin(org.instance_url())
        .public_url(public_url)
}

/// A port that nothing listens on, for programs that cannot be given a listener. No other call of this process gets it,
/// and the system hands it to no outgoing connection: it lies below `ip_local_port_range`, which begins at 32768. The
/// port that is 10000 higher, which a Redis cluster uses too, lies below it as well.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_240;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(613);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        let port = u16::try_from(port).expect("it is below 22240");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port between 10240 and 22240 is free");
}
