//! `fake-org`: a Salesforce emulator on this machine, for tests and demos in any language.
//!
//! Prints one JSON line when it is ready, or with `--env` the variables of an app, then serves until SIGTERM or Ctrl-C.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program's output is its purpose")]

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use salesforce_fake_org::{AccessTokens, FakeOrg};

/// A Salesforce org on this machine: login, tokens, REST, faults on demand. Loopback only.
#[derive(Debug, Parser)]
#[command(name = "fake-org")]
struct Args {
    /// Port of the login host; 0 takes a free one.
    #[arg(long, default_value_t = 8100)]
    port: u16,
    /// Port of the instance host; 0 takes a free one. The origin that the data can move to takes the next port.
    #[arg(long, default_value_t = 0)]
    instance_port: u16,
    /// Port of the Pub/Sub API (gRPC); 0 takes the second one after a given instance port, else a free one.
    #[arg(long, default_value_t = 0)]
    pubsub_port: u16,
    /// The organization id, 15 or 18 characters (00D…). By default each start has another one.
    #[arg(long)]
    organization_id: Option<String>,
    /// Print the environment variables of an app, as shell commands, instead of the JSON line. Client credentials then
    /// run as the first user unless `--execution-user` names another.
    #[arg(long)]
    env: bool,
    /// Loopback host in printed addresses: 127.0.0.1, localhost or ::1.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Serve https. The line names the file with the certificate authority to trust.
    #[arg(long)]
    tls: bool,
    /// Sign in the first user without showing any page.
    #[arg(long)]
    auto_approve: bool,
    /// Keep one refresh token per login instead of replacing it at every refresh.
    #[arg(long)]
    no_rotation: bool,
    /// How many sample accounts. The first 1,000 bring contacts, opportunities, projects and more with them, about
    /// four rows each.
    #[arg(long, default_value_t = 1_000)]
    rows: u64,
    /// Objects, users, permission sets, rows and rules to add: a JSON file, or a CSV file named after its object
    /// (`Invoice__c.csv`). May be repeated.
    #[arg(long, value_name = "FILE")]
    load: Vec<std::path::PathBuf>,
    /// Seconds an access token lives without being used.
    #[arg(long, default_value_t = 7200)]
    session_ttl: u64,
    /// The callback to accept, matched exactly; may be repeated. Without it any loopback URL is accepted.
    #[arg(long)]
    redirect_uri: Vec<String>,
    /// The app's client id.
    #[arg(long)]
    client_id: Option<String>,
    /// The app may leave out its secret.
    #[arg(long)]
    public_client: bool,
    /// Username that client credentials run as. Without it they are refused.
    #[arg(long)]
    execution_user: Option<String>,
    /// PEM file with the app's certificate, for the JWT bearer grant and private_key_jwt.
    #[arg(long)]
    certificate: Option<std::path::PathBuf>,
    /// Hand out JWT-based access tokens that live this many seconds, instead of opaque ones.
    #[arg(long)]
    jwt_access_tokens: Option<u64>,
    /// Send responses uncompressed, also to clients that accept gzip.
    #[arg(long)]
    no_compress: bool,
    /// Serve an Experience Cloud site of this name, below the login host. May be given several times.
    #[arg(long)]
    site: Vec<String>,
    /// Stop when standard input ends, as it does when the parent process ends.
    #[arg(long)]
    stop_with_stdin: bool,
    /// The most records of a query page.
    #[arg(long, default_value_t = 2000)]
    page_size: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("fake-org: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = FakeOrg::builder()
        .host(&args.host)
        .port(args.port)
        .tls(args.tls)
        .compress(!args.no_compress)
        .auto_approve(args.auto_approve)
        .rotation(!args.no_rotation)
        .rows(args.rows)
        .session_ttl(Duration::from_secs(args.session_ttl))
        .page_size(args.page_size);
    builder = builder.instance_port(args.instance_port).pubsub_port(args.pubsub_port);
    if let Some(id) = &args.organization_id {
        builder = builder.organization_id(id);
    }
    for uri in &args.redirect_uri {
        builder = builder.redirect_uri(uri);
    }
    if let Some(id) = &args.client_id {
        builder = builder.client_id(id);
    }
    if args.public_client {
        builder = builder.public_client();
    }
    if let Some(username) = &args.execution_user {
        builder = builder.execution_user(username);
    }
    for name in &args.site {
        builder = builder.site(name);
    }
    if let Some(file) = &args.certificate {
        builder = builder.certificate(&std::fs::read_to_string(file)?)?;
    }
    if let Some(seconds) = args.jwt_access_tokens {
        builder = builder.access_tokens(AccessTokens::Jwt(Duration::from_secs(seconds)));
    }
    for path in &args.load {
        builder = builder.load(path)?;
    }
    let mut stop = std::pin::pin!(stop(args.stop_with_stdin)?);
    let org = tokio::select! {
        started = builder.start() => started?,
        () = &mut stop => return Ok(()),
    };
    let org = std::sync::Arc::new(org);
    tokio::select! {
        made = signing_keys(&org)? => drop(made),
        () = &mut stop => return Ok(()),
    }
    let users = org.users();
    let first = users.first();
    if args.env && args.execution_user.is_none() {
        org.set_execution_user(first.map(salesforce_fake_org::User::username));
    }
    let ca_file = org.ca_pem().map(CaFile::write).transpose()?;
    let ready = serde_json::json!({
        "login_url": org.login_url(),
        "instance_url": org.instance_url(),
        "site_url": org.site_url(),
        "pubsub_url": org.pubsub().endpoint(),
        "client_id": org.client_id(),
        "client_secret": org.client_secret(),
        "organization_id": org.organization_id(),
        "username": first.map(|user| user.username().to_owned()),
        "password": first.map(|user| user.password().to_owned()),
        "ca_file": ca_file.as_ref().map(|file| file.0.display().to_string()),
    });
    if args.env {
        for (name, value) in org.variables() {
            println!("export {name}='{value}'");
        }
        if let Some(file) = &ca_file {
            println!("# The authority to trust: {}", file.0.display());
        }
    } else {
        println!("{ready}");
    }
    std::io::stdout().flush()?;
    stop.await;
    Ok(())
}

/// Ends when the signing keys are made: the line says that the org is ready, and no response waits for them then.
fn signing_keys(org: &std::sync::Arc<FakeOrg>) -> std::io::Result<tokio::sync::oneshot::Receiver<()>> {
    let (sender, made) = tokio::sync::oneshot::channel();
    let org = std::sync::Arc::clone(org);
    // A thread: the end of the process does not wait for it.
    std::thread::Builder::new().name("signing-keys".into()).spawn(move || {
        let claims = serde_json::Value::Null;
        drop((org.sign_id_token(&claims), org.forge_id_token(&claims)));
        // Fails only when the program ends.
        let _ = sender.send(());
    })?;
    Ok(made)
}

/// Waits for a signal or, when `with_stdin`, for the end of standard input.
fn stop(with_stdin: bool) -> std::io::Result<impl Future<Output = ()>> {
    let signal = stop_signal()?;
    let (sender, closed) = tokio::sync::oneshot::channel();
    // Dropping the sender would report the end, too.
    let mut held = Some(sender);
    if let Some(sender) = held.take_if(|_| with_stdin) {
        // A thread: reading standard input cannot be cancelled, and the end of the process does not wait for it.
        std::thread::Builder::new().name("stdin".into()).spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = sender.send(());
        })?;
    }
    Ok(async move {
        let _held = held;
        tokio::select! {
            () = signal => {}
            _ = closed => {}
        }
    })
}

/// The authority's certificate, in a new folder that only this user can read. It is removed with the program.
struct CaFile(std::path::PathBuf);

impl CaFile {
    fn write(pem: &str) -> std::io::Result<Self> {
        let folder = new_folder()?;
        let path = folder.join("ca.pem");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path)?.write_all(pem.as_bytes())?;
        Ok(Self(path))
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // Fails only if they were removed already.
        let _ = std::fs::remove_file(&self.0);
        if let Some(folder) = self.0.parent() {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// A new folder among the temporary files. An existing name, also a link, is an error: the next number is tried.
fn new_folder() -> std::io::Result<std::path::PathBuf> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    for number in 0_u16..1_000 {
        let name = format!("fake-org-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        match builder.create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("cannot create a folder for the certificate of the authority"))
}

#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without signals there is nothing to wait for but the end of the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
