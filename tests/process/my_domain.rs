//! A My Domain that a user types, from the chooser to a grant that outlives the setting: the app and its browser reach
//! `acme.my.salesforce.com` through a proxy that leads the name to the fake org.

use salesforce_fake_org::{FakeOrg, Host};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::support::{ADA, example::Example, free_port, servers::Folder};

const MY_DOMAIN: &str = "acme.my.salesforce.com";
const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

/// A proxy that opens tunnels (RFC 9110 section 9.3.6), and leads the My Domain to this port. Returns its URL.
async fn proxy(my_domain: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(tunnel(client, my_domain));
        }
    });
    url
}

async fn tunnel(client: TcpStream, my_domain: u16) -> Option<()> {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        client.read_line(&mut head).await.ok().filter(|length| *length > 0)?;
    }
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    let target = match target == format!("{MY_DOMAIN}:443") {
        true => format!("127.0.0.1:{my_domain}"),
        false => target.to_owned(),
    };
    let mut server = TcpStream::connect(target).await.ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}

/// A browser that trusts the org and sends all but the app's requests through the proxy.
struct Browser {
    http: reqwest::Client,
    app: String,
    cookies: std::cell::RefCell<std::collections::BTreeMap<String, String>>,
}

impl Browser {
    fn new(org: &FakeOrg, proxy: &str, app: String) -> Self {
        let authority = reqwest::Certificate::from_pem(org.ca_pem().unwrap().as_bytes()).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([authority])
            .proxy(reqwest::Proxy::https(proxy).unwrap())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { http, app, cookies: std::cell::RefCell::default() }
    }

    /// Opens a page of the app, and follows redirects. Returns the hosts on the way, the status and the text.
    async fn open(&self, path: &str) -> (Vec<String>, u16, String) {
        let mut url = Url::parse(&format!("{}{path}", self.app)).unwrap();
        let mut hosts = Vec::new();
        for _ in 0..12 {
            hosts.push(url.host_str().unwrap().to_owned());
            let mut request = self.http.get(url.clone()).header("accept", "text/html");
            let is_app = url.as_str().starts_with(&self.app);
            if is_app {
                let cookies = self.cookies.borrow();
                let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
                request = request.header("cookie", pairs.join("; "));
            }
            let response = request.send().await.unwrap();
            if is_app {
                for cookie in response.headers().get_all("set-cookie") {
                    let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
                    let (name, value) = pair.split_once('=').unwrap();
                    let mut cookies = self.cookies.borrow_mut();
                    match attributes.contains("Max-Age=0") {
                        true => cookies.remove(name),
                        false => cookies.insert(name.to_owned(), value.to_owned()),
                    };
                }
            }
            match response.headers().get("location") {
                Some(location) => url = url.join(location.to_str().unwrap()).unwrap(),
                None => return (hosts, response.status().as_u16(), response.text().await.unwrap()),
            }
        }
        panic!("more than twelve redirects: {hosts:?}")
    }
}

#[actix_web::test]
async fn a_my_domain_that_a_user_types_is_where_all_of_the_login_happens() {
    let instance_port = free_port();
    let org = FakeOrg::builder().my_domain("acme").instance_port(instance_port).start().await.unwrap();
    assert_eq!(org.instance_url(), format!("https://{MY_DOMAIN}"));
    org.sign_in(&org.user(ADA));
    let (proxy, folder, port) = (proxy(instance_port).await, Folder::new("my-domain"), free_port());
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, org.ca_pem().unwrap()).unwrap();
    let store = format!("sqlite:{}", folder.path().join("logins.db").display());
    let variables = |may_type: &'static str| {
        [
            ("SSL_CERT_FILE", authority.to_str().unwrap().to_owned()),
            ("SALESFORCE_TOKEN_PROXY", proxy.clone()),
            ("SALESFORCE_API_PROXY", proxy.clone()),
            ("SALESFORCE_STORE", store.clone()),
            ("SALESFORCE_KEYS", KEYS.to_owned()),
            ("SALESFORCE_ALLOW_MY_DOMAIN", may_type.to_owned()),
        ]
    };
    let start = async |may_type| {
        let variables = variables(may_type);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Example::with("127.0.0.1", port, "accounts", &org, &variables).await
    };
    let mut example = start("true").await;
    let browser = Browser::new(&org, &proxy, example.url(""));

    // What the field of the chooser sends.
    let (hosts, status, page) = browser.open("/auth/salesforce/login?return_to=/whoami&host=ACME").await;
    assert_eq!(status, 200, "{hosts:?}: {page}");
    assert!(page.contains(ADA), "{page}");
    assert_eq!(hosts.first().map(String::as_str), Some("127.0.0.1"));
    assert!(hosts[1..].iter().any(|host| host == MY_DOMAIN), "{hosts:?}");
    let to_login_host = || org.requests().iter().filter(|request| request.host == Host::Login).count();
    assert_eq!(to_login_host(), 0, "neither code nor keys of the default login host");
    assert_eq!(org.token_calls("authorization_code"), 1);
    org.expire_access_tokens();
    assert!(browser.open("/whoami").await.2.contains(ADA));
    assert_eq!((org.token_calls("refresh_token"), to_login_host()), (1, 0));

    // Remembered: an expiry, or a link without a host, leads there.
    let (hosts, status, _) = browser.open("/auth/salesforce/login?return_to=/whoami").await;
    assert!(status == 200 && hosts.iter().any(|host| host == MY_DOMAIN), "{hosts:?}");
    assert_eq!(to_login_host(), 0);

    // Without the setting no new login goes there; the grant of the one from before goes on.
    example.terminate().await;
    drop(example);
    let _example = start("false").await;
    org.expire_access_tokens();
    let (_, status, page) = browser.open("/whoami").await;
    assert!(status == 200 && page.contains(ADA), "{page}");
    assert_eq!((org.token_calls("refresh_token"), to_login_host()), (2, 0));
    assert_eq!(browser.open("/auth/salesforce/login?return_to=/whoami&host=acme").await.1, 400);
}
