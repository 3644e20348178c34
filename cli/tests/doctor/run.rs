//! Runs the program, and walks the login that it asks for.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    process::Stdio,
    sync::atomic::{AtomicU16, Ordering},
};

use salesforce_fake_org::FakeOrg;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::browser::{self, Choice};

pub(crate) const ADA: &str = "ada@example.com";
/// A key in base64.
pub(crate) const KEY: &str = "InVEfhXmbcH+5taYk619Wjn+9HjTBVq125jnw5QBDiM=";

/// Returns a free port below those that the system gives to outgoing connections.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 90).expect("below 90") * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 3_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What the program did.
#[derive(Debug)]
pub(crate) struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// One run of the program.
pub(crate) struct Doctor<'a> {
    org: &'a FakeOrg,
    variables: BTreeMap<String, String>,
    arguments: Vec<String>,
    choice: Choice,
}

impl<'a> Doctor<'a> {
    /// With the settings of the fake org, a public URL on a free port, and leave to log in.
    pub(crate) fn of(org: &'a FakeOrg) -> Self {
        let variables = org.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let doctor = Self {
            org,
            variables,
            arguments: ["--yes", "--json", "--timeout=30"].map(str::to_owned).to_vec(),
            choice: Choice::Allow,
        };
        // The keyring of the machine is none of the tests'.
        doctor
            .set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/such/bus")
            .set("SALESFORCE_PUBLIC_URL", &format!("http://127.0.0.1:{}", free_port()))
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn client_id(&self) -> String {
        self.org.client_id()
    }

    /// Has the org's first credentials as those from before a rotation.
    pub(crate) fn rotated(self) -> Self {
        let (id, secret) = (self.org.client_id(), self.org.client_secret());
        self.set("SALESFORCE_PREVIOUS_CLIENT_ID", &id)
            .set("SALESFORCE_PREVIOUS_CLIENT_SECRET", &secret)
            .set("SALESFORCE_CLIENT_ID", "3MVG9.New")
            .set("SALESFORCE_CLIENT_SECRET", "newer-than-before")
    }

    /// Names a caller from Salesforce, with its certificates.
    pub(crate) fn with_caller(self, certificates: &str) -> Self {
        let (org, issuer) = (self.org.organization_id(), self.org.instance_url());
        self.set("SALESFORCE_CALLER_ORG", &org)
            .set("SALESFORCE_CALLER_ISSUER", &issuer)
            .set("SALESFORCE_CALLER_AUDIENCE", "https://app.example")
            .set("SALESFORCE_CALLER_CERTIFICATES", certificates)
    }

    /// Denies the users of the org.
    pub(crate) fn denying_its_org(self) -> Self {
        let id = self.org.organization_id();
        self.set("SALESFORCE_DENIED_ORGS", &id)
    }

    /// Names a service user at the My Domain.
    pub(crate) fn with_service(self) -> Self {
        let my_domain = self.org.instance_url();
        self.set("SALESFORCE_SERVICE_URL", &my_domain)
    }

    /// Names ada as the service user, with this key (JWT bearer).
    pub(crate) fn with_key(self, pem: &str) -> Self {
        let doctor = self.with_service().set("SALESFORCE_SERVICE_USERNAME", ADA);
        doctor.set("SALESFORCE_SERVICE_KEY", pem)
    }

    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    pub(crate) fn arguments<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments = arguments.map(str::to_owned).to_vec();
        self
    }

    /// Adds arguments to `--yes --json`.
    pub(crate) fn with<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(str::to_owned));
        self
    }

    pub(crate) fn choosing(mut self, choice: Choice) -> Self {
        self.choice = choice;
        self
    }

    /// Starts it. The second value reads what it writes, and walks the login.
    pub(crate) fn start(&self) -> (Child, JoinHandle<(String, String)>) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_actix-salesforce"))
            .arg("doctor")
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let (mut stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let choice = self.choice;
        let reader = tokio::spawn(async move {
            let out = tokio::spawn(async move {
                let mut text = String::new();
                stdout.read_to_string(&mut text).await.expect("UTF-8");
                text
            });
            let (mut text, mut lines) = (String::new(), BufReader::new(stderr).lines());
            while let Some(line) = lines.next_line().await.expect("UTF-8") {
                if let Some(url) =
                    line.parse().ok().filter(|url: &url::Url| url.path().ends_with("/authorize"))
                {
                    tokio::spawn(browser::log_in(url, choice));
                }
                text.push_str(&line);
                text.push('\n');
            }
            (out.await.expect("the output"), text)
        });
        (child, reader)
    }

    /// Runs it to its end. No secret is in what it writes, and no login is left behind unless a test says so.
    pub(crate) async fn run(self) -> Ended {
        let (mut child, reader) = self.start();
        let status = child.wait().await.expect("it ends").code();
        let (stdout, stderr) = reader.await.expect("its output");
        let ended = Ended { status, stdout, stderr };
        ended.shows_no_secret(self.org);
        ended.shows_no_secret_setting(&self.variables);
        ended
    }
}

/// The settings that are secret as a whole.
const SECRET: [&str; 9] = [
    "SALESFORCE_CLIENT_SECRET",
    "SALESFORCE_PREVIOUS_CLIENT_SECRET",
    "SALESFORCE_KEYS",
    "SALESFORCE_SERVICE_KEY",
    "SALESFORCE_SERVICE_CLIENT_SECRET",
    "SALESFORCE_CALLER_KEY",
    "SALESFORCE_OUTBOUND_SECRETS",
    "SALESFORCE_DATA_CLOUD_KEYS",
    "SALESFORCE_CLIENT_SECRTE",
];
/// The settings that may contain a password.
const WITH_PASSWORD: [&str; 3] = ["SALESFORCE_STORE", "SALESFORCE_TOKEN_PROXY", "SALESFORCE_API_PROXY"];

impl Ended {
    /// The secrets of the settings, and the passwords within.
    fn shows_no_secret_setting(&self, variables: &BTreeMap<String, String>) {
        let password = |url: &String| Some(url::Url::parse(url).ok()?.password()?.to_owned());
        let of = |names: &'static [&str]| names.iter().filter_map(|name| variables.get(*name));
        // A key in several lines is shown as soon as one of them is. Texts of a few letters are part of any word.
        let lines = of(&SECRET).flat_map(|text| text.lines()).filter(|line| !line.starts_with("-----"));
        let whole = lines.flat_map(|line| line.split([' ', ','])).map(str::to_owned);
        let secrets = whole.chain(of(&WITH_PASSWORD).filter_map(password));
        for secret in secrets.filter(|text| text.len() > 3) {
            assert!(!self.stdout.contains(&secret), "{secret} is in the output: {self:?}");
            assert!(!self.stderr.contains(&secret), "{secret} is in the messages: {self:?}");
        }
    }

    /// The client secret, and what was sent to the org as a token, a code or a verifier.
    pub(crate) fn shows_no_secret(&self, org: &FakeOrg) {
        let ada = org.user(ADA);
        let mut secrets = vec![org.client_secret()];
        secrets.extend(org.live_refresh_tokens(&ada));
        secrets.extend(org.live_access_tokens(&ada));
        for request in org.requests() {
            let names = ["token", "refresh_token", "code", "code_verifier", "client_secret"];
            secrets.extend(names.into_iter().filter_map(|name| request.form.get(name).cloned()));
            let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
            secrets.extend(bearer.map(str::to_owned));
        }
        let is_secret = |secret: &&String| !secret.is_empty() && *secret != "no-such-token";
        for secret in secrets.iter().filter(is_secret) {
            assert!(!self.stdout.contains(secret.as_str()), "{secret} is in the output: {self:?}");
            assert!(!self.stderr.contains(secret.as_str()), "{secret} is in the messages: {self:?}");
        }
    }

    pub(crate) fn findings(&self) -> Vec<Value> {
        let document: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("JSON: {self:?}"));
        document["findings"].as_array().expect("a list").clone()
    }

    /// The checks with one of these outcomes, sorted, each as `check` or `check: code`.
    pub(crate) fn checks(&self, outcomes: &[&str]) -> Vec<String> {
        let findings = self.findings();
        let chosen =
            findings.iter().filter(|finding| outcomes.iter().any(|outcome| finding["outcome"] == *outcome));
        let mut names: Vec<_> =
            chosen.map(|finding| finding["check"].as_str().expect("a name").to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(crate) fn finding(&self, check: &str) -> Value {
        let found = self.findings().into_iter().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("no finding of {check}: {self:?}"))
    }
}
