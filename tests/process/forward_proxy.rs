//! W-45: an app whose only way out is a forward proxy, or whose org accepts tokens from fixed addresses only.

use std::time::Duration;

use futures_util::StreamExt as _;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use salesforce_fake_org::{FakeOrg, PermittedUsers};
use serde_json::{Value, json};

use crate::support::{
    ADA,
    example::Example,
    forward_proxy::{
        ForwardProxy,
        Manner::{self, Dies, Open, OtherPassword, Password, Refuses},
        Protocol::{self, Connect, Socks},
    },
    free_port,
    servers::Folder,
};

fn port(url: &str) -> u16 {
    url::Url::parse(url).unwrap().port().unwrap()
}

/// A client that trusts the org, and uses no proxy.
fn client(org: &FakeOrg) -> reqwest::Client {
    let authority = reqwest::Certificate::from_pem(org.ca_pem().unwrap().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]).no_proxy();
    client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Logs in and asks for data, as a browser that trusts the org does. Returns what the page says, and the cookies.
async fn visit(example: &Example, org: &FakeOrg) -> (String, String) {
    let browser = client(org);
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
            None => {
                let page = format!("{} {}", response.status(), response.text().await.unwrap());
                return (page, cookies.join("; "));
            }
        }
    }
    panic!("more than ten redirects")
}

async fn page(example: &Example, org: &FakeOrg) -> String {
    visit(example, org).await.0
}

/// Makes the app trust the org.
fn trust<'a>(org: &FakeOrg, folder: &'a Folder, variables: &[(&'a str, &'a str)]) -> Vec<(&'a str, String)> {
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, org.ca_pem().unwrap()).unwrap();
    let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
    variables.chain([("SSL_CERT_FILE", authority.to_str().unwrap().to_owned())]).collect()
}

async fn example(org: &FakeOrg, folder: &Folder, variables: &[(&str, &str)]) -> Example {
    let variables = trust(org, folder, variables);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Example::with("127.0.0.1", free_port(), "accounts", org, &variables).await
}

async fn org() -> FakeOrg {
    let org =
        FakeOrg::builder().tls(true).execution_user(ADA).change_events(&["Account"]).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    org
}

#[actix_web::test]
async fn tokens_and_data_go_through_the_proxies_that_the_settings_name() {
    let org = org().await;
    let (login, instance) = (port(&org.login_url()), port(&org.instance_url()));
    let folder = Folder::new("proxy");
    for (by_tokens, by_api) in [(true, false), (false, true), (true, true)] {
        let tokens = ForwardProxy::start(Connect, Password).await;
        let api = ForwardProxy::start(Connect, Password).await;
        let (tokens_url, api_url) = (tokens.url("http"), api.url("http"));
        // The environment's exceptions count for the environment's proxies only.
        let mut variables = vec![("NO_PROXY", "127.0.0.1,localhost")];
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
            assert_eq!(proxy.was_used(), is_used);
            // TLS from end to end.
            for secret in [&*org.client_secret(), "grant_type", "Bearer", "HTTP/1.1"] {
                assert!(!proxy.saw(secret), "{secret}");
            }
        }
    }
}

#[actix_web::test]
async fn logins_and_data_go_through_a_socks_proxy() {
    let org = org().await;
    let (login, instance) = (port(&org.login_url()), port(&org.instance_url()));
    let folder = Folder::new("proxy");
    for (scheme, manner) in [("socks5", Open), ("socks5h", Open), ("socks5", Password), ("socks5h", Password)]
    {
        let proxy = ForwardProxy::start(Socks, manner).await;
        let url = if manner == Open { proxy.open_url(scheme) } else { proxy.url(scheme) };
        let variables = [("SALESFORCE_TOKEN_PROXY", &*url), ("SALESFORCE_API_PROXY", &*url)];
        let example = example(&org, &folder, &variables).await;
        let page = page(&example, &org).await;
        assert!(page.starts_with("200") && page.contains("Accounts"), "{scheme}, {manner:?}: {page}");
        let ports = proxy.ports();
        assert!(ports.contains(&login) && ports.contains(&instance), "{scheme}, {manner:?}: {ports:?}");
        assert!(!proxy.saw("grant_type") && !proxy.saw("Bearer"), "TLS from end to end");
    }
}

/// Client credentials and JWT bearer, through each kind of proxy.
#[actix_web::test]
async fn a_service_user_works_through_a_proxy() {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    let org = FakeOrg::builder().tls(true).certificate(&certificate).unwrap().execution_user(ADA);
    let org = org.permitted_users(PermittedUsers::AdminApproved(vec![ADA.into()])).start().await.unwrap();
    let _ = org.user(ADA);
    let (folder, key) = (Folder::new("proxy"), key.serialize_pem());
    let (login, instance) = (org.login_url(), org.instance_url());
    for protocol in [Connect, Socks] {
        let proxy = ForwardProxy::start(protocol, Password).await;
        let url = proxy.url(if protocol == Connect { "http" } else { "socks5h" });
        let proxies = [("SALESFORCE_TOKEN_PROXY", &*url), ("SALESFORCE_API_PROXY", &*url)];
        let by_secret = vec![("SALESFORCE_SERVICE_URL", &*instance)];
        let by_key = vec![
            ("SALESFORCE_SERVICE_URL", &*login),
            ("SALESFORCE_SERVICE_USERNAME", ADA),
            ("SALESFORCE_SERVICE_KEY", &*key),
        ];
        for (grant, mut variables) in
            [("client_credentials", by_secret), ("urn:ietf:params:oauth:grant-type:jwt-bearer", by_key)]
        {
            variables.extend(proxies);
            let (before, requests) = (proxy.ports().len(), org.token_calls(grant));
            let variables = trust(&org, &folder, &variables);
            let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let (status, log) = Example::until_its_end("service_user", &org, &variables).await;
            assert!(status.success(), "{protocol:?}, {grant}: {log}");
            assert_eq!(org.token_calls(grant), requests + 1);
            let ports = proxy.ports();
            assert!(ports.len() >= before + 2 && ports.contains(&port(&instance)), "{grant}: {ports:?}");
        }
    }
}

/// The events of Salesforce come by gRPC, with the proxy of the API. With `socks5h` the proxy resolves names, with
/// `socks5` the app's machine does.
#[cfg(feature = "events")]
#[actix_web::test]
async fn events_go_through_a_proxy() {
    for (protocol, scheme) in [(Connect, "http"), (Socks, "socks5"), (Socks, "socks5h")] {
        let org = org().await;
        let folder = Folder::new("proxy");
        let instance = org.instance_url();
        let events = org.pubsub().endpoint().replace("127.0.0.1", "localhost");
        let proxy = ForwardProxy::start(protocol, Password).await;
        let url = proxy.url(scheme);
        let variables = [
            ("SALESFORCE_API_PROXY", &*url),
            ("SALESFORCE_SERVICE_URL", &*instance),
            ("SALESFORCE_PUBSUB_URL", &*events),
        ];
        let example = example(&org, &folder, &variables).await;
        let (_, cookies) = visit(&example, &org).await;
        let http = client(&org);
        let stream = http.get(example.url("/accounts/live")).header("cookie", cookies).send().await.unwrap();
        assert_eq!(stream.status(), 200);
        let (mut stream, mut received) = (stream.bytes_stream(), String::new());
        let changed = async {
            while org.pubsub().fetches().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let token = org.issue_tokens(&org.user(ADA), "api").access_token;
            let data = format!("{instance}/services/data/v66.0/sobjects/Account");
            let body = json!({ "Name": "made beside the app" }).to_string();
            let create = http.post(data).bearer_auth(token).header("content-type", "application/json");
            let created: Value =
                serde_json::from_str(&create.body(body).send().await.unwrap().text().await.unwrap()).unwrap();
            created["id"].as_str().unwrap().to_owned()
        };
        let id = tokio::time::timeout(Duration::from_secs(20), changed).await.expect("a subscription");
        let arrived = async {
            while !received.contains(&id) {
                received.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), arrived).await.expect("the event arrives");
        assert!(proxy.ports().contains(&port(&events)), "{scheme}: {:?}", proxy.ports());
        assert_eq!(proxy.hosts().iter().any(|host| host == "localhost"), scheme != "socks5", "{scheme}");
    }
}

#[actix_web::test]
async fn the_environments_proxy_counts_only_if_a_setting_says_so() {
    let org = org().await;
    let folder = Folder::new("proxy");
    for (is_named, exceptions, is_used) in
        [(false, "", false), (true, "", true), (true, "127.0.0.1", false), (true, "sandbox.example", true)]
    {
        let proxy = ForwardProxy::start(Connect, Password).await;
        let url = proxy.url("http");
        let mut variables = vec![("HTTPS_PROXY", &*url), ("NO_PROXY", exceptions)];
        if is_named {
            variables.extend([("SALESFORCE_TOKEN_PROXY", "env"), ("SALESFORCE_API_PROXY", "env")]);
        }
        let example = example(&org, &folder, &variables).await;
        let page = page(&example, &org).await;
        assert!(page.starts_with("200"), "{page}");
        let ports = proxy.ports();
        assert_eq!(ports.contains(&port(&org.login_url())), is_used, "{variables:?}: {ports:?}");
        assert_eq!(ports.contains(&port(&org.instance_url())), is_used, "{variables:?}: {ports:?}");
    }
}

/// The page says that it is not the user's fault, the log which proxy it is, and neither names its password.
#[actix_web::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let org = org().await;
    let folder = Folder::new("proxy");
    let cases: [(Protocol, Manner); 7] = [
        (Connect, OtherPassword),
        (Connect, Refuses),
        (Connect, Dies),
        (Socks, OtherPassword),
        (Socks, Refuses),
        (Socks, Dies),
        // Nothing listens there.
        (Connect, Open),
    ];
    for setting in ["SALESFORCE_TOKEN_PROXY", "SALESFORCE_API_PROXY"] {
        for (protocol, manner) in cases {
            let scheme = if protocol == Connect { "http" } else { "socks5" };
            let proxy = ForwardProxy::start(protocol, manner).await;
            let (url, name) = match manner {
                Open => {
                    let port = free_port();
                    (format!("http://me:hunter%402@127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"))
                }
                _ => (proxy.url(scheme), proxy.open_url(scheme)),
            };
            let path = folder.path().join(format!("{setting}-{protocol:?}-{manner:?}.log"));
            let variables = trust(&org, &folder, &[(setting, &*url), ("RUST_LOG", "debug")]);
            let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let log = std::fs::File::create(&path).unwrap();
            let example = Example::logging_to(log, "accounts", &org, &variables).await;
            let page = page(&example, &org).await;
            assert!(page.starts_with("503"), "{setting}, {protocol:?}, {manner:?}: {page}");
            let log = std::fs::read_to_string(&path).unwrap();
            assert!(
                log.lines().any(|line| line.contains("through the proxy") && line.contains(&name)),
                "{setting}, {protocol:?}, {manner:?}: {log}"
            );
            for secret in ["hunter", "bWU6aHVudGVyQDI", &*org.client_secret()] {
                assert!(!log.contains(secret) && !page.contains(secret), "{secret}: {log}");
            }
        }
    }
}
