//! Real processes on a real store, and a fake org.

use futures_util::future::join_all;
use salesforce_fake_org::FakeOrg;

use crate::support::{
    ADA, Client, Page,
    example::Example,
    free_port,
    proxy::Proxy,
    servers::{Folder, Postgres, Redis},
};
use crate::wait::eventually;

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Redis,
    Postgres,
    Sqlite,
}

pub(super) enum Server {
    Redis(Redis),
    Postgres(Postgres),
    /// None: a file in this folder.
    File(Folder),
}

/// For rows that are about a server.
pub(super) fn no_server() -> ! {
    panic!("a file has no server")
}

impl Server {
    pub(super) fn start(kind: Kind) -> Self {
        match kind {
            Kind::Redis => Self::Redis(Redis::start()),
            Kind::Postgres => Self::Postgres(Postgres::start()),
            Kind::Sqlite => Self::File(Folder::new("faults")),
        }
    }

    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Redis(redis) => redis.port,
            Self::Postgres(postgres) => postgres.port,
            Self::File(_) => no_server(),
        }
    }

    pub(super) fn freeze(&self) {
        match self {
            Self::Redis(redis) => redis.freeze(),
            Self::Postgres(postgres) => postgres.freeze(),
            Self::File(_) => no_server(),
        }
    }

    pub(super) fn thaw(&self) {
        match self {
            Self::Redis(redis) => redis.thaw(),
            Self::Postgres(postgres) => postgres.thaw(),
            Self::File(_) => no_server(),
        }
    }
}

/// The address of a server of this kind at this port.
pub(super) fn address(kind: Kind, port: u16) -> String {
    match kind {
        Kind::Redis => format!("redis://127.0.0.1:{port}"),
        Kind::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable"),
        Kind::Sqlite => no_server(),
    }
}

/// A fake org in which Ada is signed in, a store, and instances of a program. To a browser they are one host, so that
/// it is logged in at all of them.
pub(super) struct Fleet {
    pub(super) kind: Kind,
    pub(super) org: FakeOrg,
    pub(super) server: Server,
    pub(super) instances: Vec<Example>,
    variables: &'static [(&'static str, &'static str)],
}

impl Fleet {
    pub(super) async fn start(kind: Kind, instances: usize) -> Self {
        Self::start_with(kind, instances, &[]).await
    }

    /// The same, where each instance has further variables.
    pub(super) async fn start_with(
        kind: Kind,
        instances: usize,
        variables: &'static [(&'static str, &'static str)],
    ) -> Self {
        let org = FakeOrg::start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let mut fleet = Self { kind, org, server: Server::start(kind), instances: Vec::new(), variables };
        for _ in 0..instances {
            fleet.join("accounts").await;
        }
        fleet
    }

    /// The address of the store itself.
    pub(super) fn store(&self) -> String {
        match &self.server {
            Server::File(folder) => format!("sqlite:{}", folder.path().join("logins.db").display()),
            server => address(self.kind, server.port()),
        }
    }

    /// Starts one more instance of `program`.
    pub(super) async fn join(&mut self, program: &str) {
        self.join_at(program, &self.store()).await;
    }

    /// The same, where the store is found at another address, a proxy's for example.
    pub(super) async fn join_at(&mut self, program: &str, store: &str) {
        let port = free_port();
        let bind = format!("127.0.0.1:{port}");
        let own = [
            ("SALESFORCE_STORE", store),
            ("SALESFORCE_KEYS", KEYS),
            ("SALESFORCE_COOKIE_NAME", "salesforce-fleet"),
            ("BIND", &bind),
            ("WORKERS", "4"),
        ];
        let more: Vec<_> = own.into_iter().chain(self.variables.iter().copied()).collect();
        let instance = Example::with("127.0.0.1", port, program, &self.org, &more).await;
        self.instances.push(instance);
    }

    /// A proxy before the store.
    pub(super) async fn proxy(&self) -> Proxy {
        Proxy::before(self.server.port()).await
    }

    pub(super) fn url(&self, instance: usize, path: &str) -> String {
        self.instances[instance].url(path)
    }

    /// A browser that has logged in as the user who is signed in at the org.
    pub(super) async fn logged_in(&self) -> Client {
        let browser = Client::new();
        self.log_in(&browser).await;
        browser
    }

    pub(super) async fn log_in(&self, browser: &Client) {
        let page = browser.visit(&self.url(0, "/accounts")).await;
        assert_eq!(page.status, 200, "the login works: {page:?}");
    }

    /// So many requests at once, to all instances in turn.
    pub(super) async fn burst(&self, browser: &Client, n: usize) -> Vec<Page> {
        let urls: Vec<_> = self.instances.iter().map(|instance| instance.url("/accounts")).collect();
        join_all((0..n).map(|i| browser.fetch(&urls[i % urls.len()]))).await
    }

    pub(super) fn refreshes(&self) -> u64 {
        self.org.token_calls("refresh_token")
    }

    /// Waits until the token endpoint was asked so often.
    pub(super) async fn until_refreshes(&self, n: u64) {
        eventually("the refresh begins", async || self.refreshes() >= n).await;
    }

    /// One token call for each of `expiries`, and no used token sent again.
    pub(super) fn check_tokens(&self, refreshes: u64) {
        assert_eq!((self.refreshes(), self.org.refresh_reuse_count()), (refreshes, 0), "{:?}", self.kind);
    }
}

pub(super) fn all(pages: &[Page], status: u16) {
    let other = pages.iter().find(|page| page.status != status);
    assert!(other.is_none(), "all should be {status}: {other:?}");
}
