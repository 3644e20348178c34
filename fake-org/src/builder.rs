//! How an org is set up before it starts.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::auth::app::App;
use crate::auth::keys;
use crate::auth::settings::{ParallelRefresh, RefreshPolicy, Settings};
use crate::base::{ids, random};
use crate::data::seed::Sample;
use crate::error::StartError;
use crate::org::FakeOrg;
use crate::request::Host;
use crate::schema_file::SchemaFile;
use crate::server::tls::Tls;
use crate::server::{LOOPBACK, Server, bind};
use crate::state::{Org, Origins};

/// Options of a [`FakeOrg`]; each has a default that suits tests.
#[derive(Clone, Debug)]
#[must_use = "an org starts with `start`"]
pub struct Builder {
    host: String,
    port: u16,
    instance_port: u16,
    pubsub_port: u16,
    organization_id: Option<String>,
    auto_approve: bool,
    tls: bool,
    my_domain: Option<String>,
    pub(crate) app: App,
    pub(crate) settings: Settings,
    sample: Sample,
    pub(crate) declared: SchemaFile,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 0,
            instance_port: 0,
            pubsub_port: 0,
            organization_id: None,
            auto_approve: false,
            tls: false,
            my_domain: None,
            app: App::default(),
            settings: Settings::default(),
            sample: Sample::default(),
            declared: SchemaFile::default(),
        }
    }
}

impl FakeOrg {
    /// Starts an org: loopback, free ports, sample data, rotation on.
    ///
    /// # Errors
    ///
    /// When the system has no free port or thread.
    pub async fn start() -> Result<Self, StartError> {
        Builder::default().start().await
    }

    /// Starts with other options.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// The login host's port; 0, the default, takes a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The instance host's port; 0, the default, takes a free one. The origin that the data can move to then has the
    /// next port, if that is free.
    pub fn instance_port(mut self, port: u16) -> Self {
        self.instance_port = port;
        self
    }

    /// The port of the Pub/Sub API; 0, the default, takes the second one after a given port of the instance, else a
    /// free one.
    pub fn pubsub_port(mut self, port: u16) -> Self {
        self.pubsub_port = port;
        self
    }

    /// The host in printed addresses: `127.0.0.1` (default), `localhost`, `::1`, or another loopback address.
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    /// Serves https, with a certificate of an authority that the org makes for itself:
    /// [`FakeOrg::ca_pem`](crate::FakeOrg::ca_pem) is what clients must trust. Off by default.
    pub fn tls(mut self, on: bool) -> Self {
        self.tls = on;
        self
    }

    /// Calls the instance host `https://NAME.my.salesforce.com`, the org's My Domain, with TLS. It still listens on this
    /// machine, at the [instance port](Self::instance_port): requests come through a proxy that leads this name there.
    pub fn my_domain(mut self, name: &str) -> Self {
        self.my_domain = Some(name.to_owned());
        self.tls(true)
    }

    /// Signs in the first user without any page, until [`FakeOrg::sign_out`]; after that, users who log in by
    /// form are not asked for consent.
    pub fn auto_approve(mut self, on: bool) -> Self {
        self.auto_approve = on;
        self
    }

    /// Refresh token rotation; on by default.
    pub fn rotation(mut self, on: bool) -> Self {
        self.settings.rotation = on;
        self
    }

    /// How many sample accounts there are; 40 by default, in the program `fake-org` 1,000. The first 1,000 bring
    /// contacts, opportunities, projects and more with them, about four rows each.
    pub fn rows(mut self, accounts: u64) -> Self {
        self.sample.accounts = accounts;
        self
    }

    /// How long an access token lives without being used; two hours by default.
    pub fn session_ttl(mut self, ttl: Duration) -> Self {
        self.settings.session_ttl = ttl;
        self
    }

    /// A registered callback, matched character for character. May be given several times. Without any, every
    /// loopback URL is accepted.
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        self.settings.redirect_uris.push(uri.to_owned());
        self
    }

    /// The refresh token policy; until revoked by default.
    pub fn refresh_policy(mut self, policy: RefreshPolicy) -> Self {
        self.settings.refresh_policy = policy;
        self
    }

    /// What a refresh gets while another one with the same token is being worked on.
    pub fn parallel_refresh(mut self, response: ParallelRefresh) -> Self {
        self.settings.parallel_refresh = response;
        self
    }

    /// Whether authorize insists on a PKCE challenge; on by default, as in new external client apps.
    pub fn pkce_required(mut self, on: bool) -> Self {
        self.settings.pkce_required = on;
        self
    }

    /// The most records of a query page; 2,000 by default. Small values make paging easy to see.
    pub fn page_size(mut self, records: usize) -> Self {
        self.settings.page_size = records;
        self
    }

    /// Compresses responses for clients that accept gzip, as Salesforce does; on by default. A response that a fault
    /// strikes is not compressed: what is cut or changed in it can be read.
    pub fn compress(mut self, on: bool) -> Self {
        self.settings.compress = on;
        self
    }

    /// API requests allowed before `REQUEST_LIMIT_EXCEEDED`; 15,000 by default.
    pub fn api_limit(mut self, calls: u64) -> Self {
        self.settings.api_limit = calls;
        self
    }

    /// The newest API version that the org has; 68 by default. Requests for a newer one are 404.
    pub fn newest_version(mut self, version: u32) -> Self {
        self.settings.newest_version = version;
        self
    }

    /// Responses to requests for versions below this one have Salesforce's `Warning` of a deprecated version; none by
    /// default.
    pub fn deprecated_below(mut self, version: u32) -> Self {
        self.settings.deprecated_below = version;
        self
    }

    /// How long a bulk job takes; 300 ms by default.
    pub fn bulk_delay(mut self, delay: Duration) -> Self {
        self.settings.bulk_delay = delay;
        self
    }

    /// Client id and secret of the app.
    pub fn client(mut self, id: &str, secret: &str) -> Self {
        self.app.client_id = id.to_owned();
        self.app.client_secret = secret.to_owned();
        self
    }

    /// The app's client id alone.
    pub fn client_id(mut self, id: &str) -> Self {
        self.app.client_id = id.to_owned();
        self
    }

    /// Lets the app leave out its secret (a public client). A secret that is sent is still checked.
    pub fn public_client(mut self) -> Self {
        self.settings.secret_required = false;
        self
    }

    /// The app's name on the consent page.
    pub fn app_name(mut self, name: &str) -> Self {
        self.app.name = name.to_owned();
        self
    }

    /// The scopes assigned to the app, space separated.
    pub fn scopes(mut self, scopes: &str) -> Self {
        self.settings.scopes = crate::auth::scopes::Scopes::parse(scopes).words().to_vec();
        self
    }

    /// The organization id, 15 or 18 characters. By default each org has a separate one; user ids are the same
    /// in all of them, as in a sandbox and its original.
    pub fn organization_id(mut self, id: &str) -> Self {
        self.organization_id = Some(id.to_owned());
        self
    }

    /// Starts the org on a separate thread.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what is wrong with the options, or what the system refused.
    pub async fn start(self) -> Result<FakeOrg, StartError> {
        // Seeding many rows takes a while; a separate thread keeps the caller's runtime free.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("fake-org-start".into())
            .spawn(move || {
                // Fails only when the caller no longer waits; then the org is dropped here.
                let _ = sender.send(self.start_now());
            })
            .map_err(StartError::Serve)?;
        receiver.await.map_err(|_| StartError::Serve(std::io::Error::other("the starting thread died")))?
    }

    fn start_now(self) -> Result<FakeOrg, StartError> {
        keys::prepare();
        let (ip, printed) = loopback(&self.host)?;
        let listen = |port: u16| {
            bind(ip, port).map_err(|source| StartError::Listen { host: self.host.clone(), port, source })
        };
        let (login, login_port) = listen(self.port)?;
        let (instance, instance_port) = listen(self.instance_port)?;
        // The ports after it, so that these addresses stay over a restart, too.
        let after = |offset: u16| {
            let port = self.instance_port.checked_add(offset).filter(|port| *port > offset);
            port.and_then(|port| listen(port).ok()).map_or_else(|| listen(0), Ok)
        };
        let (moved, moved_port) = after(1)?;
        let (pubsub, pubsub_port) = match self.pubsub_port {
            0 => after(2)?,
            port => listen(port)?,
        };
        let my_domain = self.my_domain.map(|name| format!("{name}.my.salesforce.com"));
        let tls = self.tls.then(|| Tls::new(my_domain.as_deref())).transpose();
        let tls = tls.map_err(|error| StartError::Option(error.to_string()))?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let origins = Origins {
            login: format!("{scheme}://{printed}:{login_port}"),
            instance: match &my_domain {
                Some(name) => format!("https://{name}"),
                None => format!("{scheme}://{printed}:{instance_port}"),
            },
            moved_instance: format!("{scheme}://{printed}:{moved_port}"),
            has_moved: false,
        };
        let organization_id = match &self.organization_id {
            Some(id) => ids::normalize(id)
                .filter(|id| id.starts_with("00D"))
                .ok_or_else(|| StartError::Option(format!("`{id}` is not an organization id (00D…)")))?,
            None => {
                let tail = random::plain(9);
                ids::normalize(&format!("00DFk0{tail}")).unwrap_or_else(|| ids::make("00D", 1))
            }
        };
        let org = Org::new(
            self.app,
            self.auto_approve,
            self.settings,
            &organization_id,
            self.sample,
            origins,
            self.declared,
        )
        .map_err(StartError::Data)?;
        let org = Arc::new(org);
        let server = Server::start(Arc::clone(&org), tls.as_ref()).map_err(StartError::Serve)?;
        org.pubsub.set_origin(format!("{scheme}://{printed}:{pubsub_port}"));
        server.listen_for_events(pubsub);
        server.listen(login, Host::Login);
        server.listen(instance, Host::Instance);
        server.listen(moved, Host::MovedInstance);
        Ok(FakeOrg::new(org, server, tls.map(|tls| tls.ca_pem)))
    }
}

/// The address to listen on, and the host to print.
fn loopback(host: &str) -> Result<(IpAddr, String), StartError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.eq_ignore_ascii_case("localhost") {
        return Ok((LOOPBACK, "localhost".into()));
    }
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_loopback() => Ok((IpAddr::V4(ip), ip.to_string())),
        Ok(IpAddr::V6(ip)) if ip == Ipv6Addr::LOCALHOST => Ok((IpAddr::V6(ip), format!("[{ip}]"))),
        _ => Err(StartError::NotLoopback(host.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn only_loopback_hosts_are_accepted() {
        for host in ["localhost", "127.0.0.1", "127.0.0.2", "::1", "[::1]"] {
            assert!(loopback(host).is_ok(), "{host}");
        }
        for host in ["0.0.0.0", "::", "192.168.0.1", "example.com", "localhost.example.com", ""] {
            assert!(loopback(host).is_err(), "{host}");
        }
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(matches!(loopback("localhost"), Ok((ip, host)) if ip == v4 && host == "localhost"));
    }
}
