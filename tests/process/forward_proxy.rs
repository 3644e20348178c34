//! W-45: an app whose only way out is a forward proxy, or whose org accepts tokens from fixed addresses only.

use std::sync::{Arc, Mutex};

use salesforce_fake_org::FakeOrg;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::{ADA, example::Example, free_port, servers::Folder};

/// A proxy that opens tunnels (RFC 9110 section 9.3.6).
struct ConnectProxy {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// The heads of the requests to the proxy itself.
    heads: Vec<String>,
    /// What went through the tunnels to the servers.
    bytes: Vec<u8>,
}

impl ConnectProxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, Arc::clone(&all)));
            }
        });
        Self { port, seen }
    }

    fn url(&self) -> String {
        format!("http://me:hunter2@127.0.0.1:{}", self.port)
    }

    /// The ports that tunnels led to.
    fn ports(&self) -> Vec<u16> {
        let seen = self.seen.lock().unwrap();
        let port = |head: &String| head.strip_prefix("CONNECT ")?.split([' ', ':']).nth(1)?.parse().ok();
        seen.heads.iter().filter_map(port).collect()
    }
}

async fn tunnel(client: TcpStream, seen: Arc<Mutex<Seen>>) -> Option<()> {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        client.read_line(&mut head).await.ok().filter(|length| *length > 0)?;
    }
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    seen.lock().unwrap().heads.push(head);
    let server = TcpStream::connect(target).await.ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
            seen.lock().unwrap().bytes.extend_from_slice(&bytes[..length]);
            if to_server.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
    Some(())
}

fn port(url: &str) -> u16 {
    url::Url::parse(url).unwrap().port().unwrap()
}

/// Logs in and asks for data, as a browser that trusts the org does. Returns what the page says.
async fn page(example: &Example, org: &FakeOrg) -> String {
    let authority = reqwest::Certificate::from_pem(org.ca_pem().unwrap().as_bytes()).unwrap();
    let browser = reqwest::Client::builder().tls_certs_only([authority]).no_proxy();
    let browser = browser.redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut cookies: Vec<String> = Vec::new();
    let mut url = example.url("/accounts");
    for _ in 0..10 {
        let request = browser.get(&url).header("accept", "text/html").header("cookie", cookies.join("; "));
        let response = request.send().await.unwrap();
        if url.starts_with(&example.url("")) {
            let set = response.headers().get_all("set-cookie").iter();
            cookies.extend(set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned()));
        }
        match response.headers().get("location") {
            Some(location) => {
                let base = url::Url::parse(&url).unwrap();
                url = base.join(location.to_str().unwrap()).unwrap().into();
            }
            None => return format!("{} {}", response.status(), response.text().await.unwrap()),
        }
    }
    panic!("more than ten redirects")
}

async fn example(org: &FakeOrg, folder: &Folder, variables: &[(&str, &str)]) -> Example {
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, org.ca_pem().unwrap()).unwrap();
    let variables: Vec<_> =
        variables.iter().copied().chain([("SSL_CERT_FILE", authority.to_str().unwrap())]).collect();
    Example::with("127.0.0.1", free_port(), "accounts", org, &variables).await
}

#[actix_web::test]
async fn tokens_and_data_go_through_the_proxies_that_the_settings_name() {
    let org = FakeOrg::builder().tls(true).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (login, instance) = (port(&org.login_url()), port(&org.instance_url()));
    let folder = Folder::new("proxy");
    for (by_tokens, by_api) in [(true, false), (false, true), (true, true)] {
        let (tokens, api) = (ConnectProxy::start().await, ConnectProxy::start().await);
        let (tokens_url, api_url) = (tokens.url(), api.url());
        let mut variables = Vec::new();
        if by_tokens {
            variables.push(("SALESFORCE_TOKEN_PROXY", &*tokens_url));
        }
        if by_api {
            variables.push(("SALESFORCE_API_PROXY", &*api_url));
        }
        let example = example(&org, &folder, &variables).await;
        let page = page(&example, &org).await;
        assert!(page.starts_with("200") && page.contains("Accounts"), "{variables:?}: {page}");

        assert_eq!(tokens.ports().contains(&login), by_tokens, "{variables:?}: {:?}", tokens.ports());
        assert_eq!(api.ports().contains(&instance), by_api, "{variables:?}: {:?}", api.ports());
        assert!(!api.ports().contains(&login), "no token request: {:?}", api.ports());
        for (proxy, is_used) in [(&tokens, by_tokens), (&api, by_api)] {
            let seen = proxy.seen.lock().unwrap();
            assert_eq!(!seen.bytes.is_empty(), is_used);
            assert!(
                seen.heads
                    .iter()
                    .all(|head| head.to_ascii_lowercase().contains("proxy-authorization: basic "))
            );
            // TLS from end to end.
            for secret in [&*org.client_secret(), "grant_type", "Bearer", "HTTP/1.1"] {
                let is_seen = seen.bytes.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
                assert!(!is_seen, "{secret}");
            }
        }
    }
}

#[actix_web::test]
async fn the_environments_proxy_counts_only_if_a_setting_says_so() {
    let org = FakeOrg::builder().tls(true).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let folder = Folder::new("proxy");
    for is_named in [false, true] {
        let proxy = ConnectProxy::start().await;
        let url = proxy.url();
        let mut variables = vec![("HTTPS_PROXY", &*url), ("NO_PROXY", "")];
        if is_named {
            variables.extend([("SALESFORCE_TOKEN_PROXY", "env"), ("SALESFORCE_API_PROXY", "env")]);
        }
        let example = example(&org, &folder, &variables).await;
        let page = page(&example, &org).await;
        assert!(page.starts_with("200"), "{page}");
        let ports = proxy.ports();
        assert_eq!(ports.contains(&port(&org.login_url())), is_named, "{ports:?}");
        assert_eq!(ports.contains(&port(&org.instance_url())), is_named, "{ports:?}");
    }
}
