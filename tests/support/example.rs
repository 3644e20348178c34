//! An example, run as a separate program.

use std::{
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use salesforce_fake_org::FakeOrg;

/// A running example. It ends when this is dropped.
pub struct Example {
    process: Child,
    base: String,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Example {
    /// Starts the example on a free port, with its settings in the environment as a real deployment has them.
    pub async fn start(name: &str, org: &FakeOrg) -> Self {
        Self::at("127.0.0.1", name, org).await
    }

    /// The same under another name of this machine. To a browser `localhost` and `127.0.0.1` are two sites.
    pub async fn at(host: &str, name: &str, org: &FakeOrg) -> Self {
        Self::with(host, super::free_port(), name, org, &[]).await
    }

    /// The same with a port and further variables.
    pub async fn with(host: &str, port: u16, name: &str, org: &FakeOrg, more: &[(&str, &str)]) -> Self {
        Self::spawn(host, port, name, org, more, Stdio::inherit()).listening(host, port, name).await
    }

    /// The same with a log in this file, and further variables.
    pub async fn logging_to(log: std::fs::File, name: &str, org: &FakeOrg, more: &[(&str, &str)]) -> Self {
        let (host, port) = ("127.0.0.1", super::free_port());
        let more: Vec<_> = [("RUST_LOG", "info")].iter().chain(more).copied().collect();
        Self::spawn(host, port, name, org, &more, log.into()).listening(host, port, name).await
    }

    async fn listening(mut self, host: &str, port: u16, name: &str) -> Self {
        for _ in 0..200 {
            if tokio::net::TcpStream::connect((host, port)).await.is_ok() {
                return self;
            }
            if let Some(status) = self.process.try_wait().expect("a process") {
                panic!("the example {name} ended: {status}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the example {name} does not listen");
    }

    /// Starts an example that ends by itself, or cannot start: how it ended, and what it said.
    pub async fn until_its_end(name: &str, org: &FakeOrg, more: &[(&str, &str)]) -> (ExitStatus, String) {
        let mut example = Self::spawn("127.0.0.1", super::free_port(), name, org, more, Stdio::piped());
        for _ in 0..300 {
            if let Some(status) = example.process.try_wait().expect("a process") {
                let mut said = String::new();
                let mut stderr = example.process.stderr.take().expect("piped");
                std::io::Read::read_to_string(&mut stderr, &mut said).expect("UTF-8");
                return (status, said);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the example {name} did not end within 15 s");
    }

    fn spawn(host: &str, port: u16, name: &str, org: &FakeOrg, more: &[(&str, &str)], stderr: Stdio) -> Self {
        let variables = [
            ("SALESFORCE_CLIENT_ID", org.client_id()),
            ("SALESFORCE_CLIENT_SECRET", org.client_secret()),
            ("SALESFORCE_LOGIN_URL", org.login_url()),
            ("SALESFORCE_ALLOWED_ORIGINS", org.instance_url()),
        ];
        let base = format!("http://{host}:{port}");
        let process = Command::new(program(name))
            .env("SALESFORCE_PUBLIC_URL", &base)
            .env("WORKERS", "4")
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned()))
            .envs(variables)
            .envs(more.iter().copied())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}; `cargo build --examples` makes it", program(name).display())
            });
        Self { process, base }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it without a goodbye.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Asks it to end, as a deployment does, and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.end("TERM").await
    }

    /// Asks it to end with this signal, and waits until it has.
    pub async fn end(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        for _ in 0..600 {
            if let Some(status) = self.process.try_wait().expect("a process") {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it did not end within 30 s of SIG{signal}");
    }

    /// Sends it a signal: `STOP` and `CONT` freeze and thaw it.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// Where cargo put it: beside the folder of this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this program has a path");
    let folder = test.ancestors().nth(2).expect("target/debug");
    folder.join("examples").join(name)
}
