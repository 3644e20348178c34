//! Real database servers on free loopback ports, in folders of their own. They end when they are dropped.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::free_port;

/// A folder that goes away.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!(
            "actix-salesforce-{name}-{}-{}",
            std::process::id(),
            free_port()
        ));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A redis-server that keeps nothing on disk unless it is made to.
pub struct Redis {
    process: Child,
    pub port: u16,
    folder: Folder,
}

impl Redis {
    pub fn start() -> Self {
        Self::on(free_port(), &[])
    }

    /// On this port, with further options.
    pub fn on(port: u16, options: &[&str]) -> Self {
        let folder = Folder::new("redis");
        let redis = Self { process: serve_redis(&folder, port, options), port, folder };
        redis.wait_until_it_responds();
        redis
    }

    /// Watches the primary on that port under the name `main`.
    fn sentinel(primary: u16) -> Self {
        let (port, folder) = (free_port(), Folder::new("sentinel"));
        let file = folder.path().join("sentinel.conf");
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 4000\n"
        );
        std::fs::write(&file, settings).expect("a file");
        let process = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is missing: install the Debian package redis-server");
        let sentinel = Self { process, port, folder };
        sentinel.wait_until_it_responds();
        sentinel
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs a command with redis-cli.
    pub fn cli(&self, arguments: &[&str]) -> String {
        self.try_cli(arguments).expect("redis-cli responds")
    }

    fn try_cli(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(arguments).output();
        let output = output.expect("redis-cli is missing: install the Debian package redis-server");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub fn keys(&self) -> Vec<String> {
        self.cli(&["--scan"]).lines().map(str::to_owned).collect()
    }

    /// Stops it as a debugger does: connections stay open, there is no response.
    pub fn freeze(&self) {
        signal("STOP", self.process.id());
    }

    pub fn thaw(&self) {
        signal("CONT", self.process.id());
    }

    /// Ends it without a goodbye.
    pub fn kill(mut self) -> u16 {
        self.stop();
        self.port
    }

    /// Ends it. What it was made to `SAVE` stays.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// The counterpart of [`stop`](Self::stop).
    pub fn start_again(&mut self) {
        self.process = serve_redis(&self.folder, self.port, &[]);
        self.wait_until_it_responds();
    }

    fn wait_until_it_responds(&self) {
        wait_until(
            || self.try_cli(&["PING"]).is_some_and(|response| response.trim() == "PONG"),
            "redis-server",
        );
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = &self.folder;
    }
}

/// Three sentinels that watch a primary, and its replica.
pub struct Sentinels {
    pub primary: Redis,
    pub replica: Redis,
    sentinels: Vec<Redis>,
}

impl Sentinels {
    pub fn start() -> Self {
        let primary = Redis::start();
        let port = primary.port.to_string();
        let replica = Redis::on(free_port(), &["--replicaof", "127.0.0.1", &port]);
        let sentinels: Vec<_> = (0..3).map(|_| Redis::sentinel(primary.port)).collect();
        let all = Self { primary, replica, sentinels };
        // A sentinel knows of replicas and of the other sentinels after a moment.
        wait_until(
            || {
                all.sentinels.iter().all(|sentinel| {
                    let master = sentinel.cli(&["SENTINEL", "MASTER", "main"]);
                    let has = |name: &str, count: &str| {
                        master.lines().skip_while(|line| *line != name).nth(1) == Some(count)
                    };
                    has("num-slaves", "1") && has("num-other-sentinels", "2")
                })
            },
            "the sentinels",
        );
        all
    }

    /// With these hosts before the sentinels.
    pub fn url(&self, before: &[u16]) -> String {
        let ports = before.iter().copied().chain(self.sentinels.iter().map(|sentinel| sentinel.port));
        let hosts: Vec<_> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/main", hosts.join(","))
    }
}

/// A cluster of three primaries with a replica each.
pub struct Cluster {
    pub servers: Vec<Redis>,
}

impl Cluster {
    pub fn start() -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        // The servers talk to each other on a port that is 10000 higher.
        let servers: Vec<_> = (0..6).map(|_| Redis::on(free_port(), &options)).collect();
        let hosts: Vec<_> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&hosts)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output();
        let made = made.expect("redis-cli");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let cluster = Self { servers };
        let is_up = |server: &Redis| {
            let replication = server.cli(&["INFO", "replication"]);
            let replicates = ["state=online", "master_link_status:up"];
            replicates.iter().any(|state| replication.contains(state))
                && server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
        };
        wait_until(|| cluster.servers.iter().all(is_up), "the cluster");
        cluster
    }

    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// The primary that holds this key.
    pub fn holder(&self, key: &str) -> &Redis {
        let holds = |server: &&Redis| {
            let is_primary = server.cli(&["ROLE"]).starts_with("master");
            is_primary && server.keys().iter().any(|found| found.contains(key))
        };
        self.servers.iter().find(holds).expect("some server has it")
    }
}

fn serve_redis(folder: &Folder, port: u16, options: &[&str]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--repl-diskless-sync-delay", "0"])
        .args(["--enable-debug-command", "yes"])
        .args(options)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is missing: install the Debian package redis-server")
}

/// A PostgreSQL server, run by the user who runs the tests, or by an unprivileged user if that is root, which it refuses.
pub struct Postgres {
    process: Child,
    pub port: u16,
    folder: Folder,
}

impl Postgres {
    pub fn start() -> Self {
        let folder = Folder::new("postgres");
        copy(template(), &folder.path().join("data"));
        give_to_other_user(&folder);
        let port = free_port();
        let server = Self { process: serve(&folder, port), port, folder };
        server.wait_until_it_responds();
        server
    }

    /// Ends it, as a restart of its machine does. What was stored stays.
    pub fn stop(&mut self) {
        signal("QUIT", self.process.id());
        let _ = self.process.wait();
    }

    /// The counterpart of [`stop`](Self::stop).
    pub fn start_again(&mut self) {
        self.process = serve(&self.folder, self.port);
        self.wait_until_it_responds();
    }

    fn wait_until_it_responds(&self) {
        let port = self.port;
        wait_until(
            || {
                // Ready once it responds to the request for encryption with "no".
                use std::io::{Read as _, Write as _};
                let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                let asked = stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).is_ok();
                let mut response = [0];
                asked && stream.read_exact(&mut response).is_ok()
            },
            "postgres",
        );
        // It responds before it accepts logins.
        std::thread::sleep(Duration::from_millis(300));
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops the server and the processes that it keeps for its connections.
    pub fn freeze(&self) {
        self.signal_all("STOP");
    }

    pub fn thaw(&self) {
        self.signal_all("CONT");
    }

    fn signal_all(&self, name: &str) {
        let parent = self.process.id().to_string();
        let sent = Command::new("pkill").args([&format!("-{name}"), "-P", &parent]).status();
        assert!(sent.is_ok(), "pkill is missing: install the Debian package procps");
        signal(name, self.process.id());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, with its children: the data are not needed.
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.signal_all("CONT");
            self.stop();
        }
    }
}

/// The data of a new server. `initdb` takes a second of a processor, so that all servers and all runs share what it made.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let initdb = tool("initdb");
        let version = Command::new(&initdb).arg("--version").output().expect("initdb runs").stdout;
        let version: String =
            String::from_utf8_lossy(&version).chars().filter(char::is_ascii_alphanumeric).collect();
        let shared = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let template = shared.join(&version);
        if template.is_dir() {
            return template;
        }
        let folder = Folder::new("initdb");
        give_to_other_user(&folder);
        let data = folder.path().join("data");
        let made = as_other_user(&initdb)
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-N",
                "-E",
                "UTF8",
                "--locale=C",
                "--wal-segsize=1",
                "-D",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        // Complete from the start for other processes, of which one may be faster.
        let aside = Folder(shared.join(format!("{version}-{}", std::process::id())));
        copy(&data, aside.path());
        let _ = std::fs::rename(aside.path(), &template);
        assert!(template.is_dir(), "{} is not there", template.display());
        template
    })
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp -a {} {}", from.display(), to.display());
}

fn give_to_other_user(folder: &Folder) {
    let given = Command::new("sh")
        .arg("-c")
        .arg(format!("[ $(id -u) != 0 ] || chown -R nobody '{}'", folder.path().display()))
        .status();
    assert!(given.is_ok_and(|status| status.success()), "the folder changes its owner");
}

fn serve(folder: &Folder, port: u16) -> Child {
    as_other_user(&tool("postgres"))
        .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F", "-k"])
        .arg(folder.path())
        .arg("-D")
        .arg(folder.path().join("data"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("postgres starts")
}

fn as_other_user(program: &Path) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0"));
    if root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Debian keeps the server's programs out of `PATH`.
fn tool(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> =
        versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.is_file()).collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found
        .pop()
        .or(in_path)
        .unwrap_or_else(|| panic!("{name} is missing: install the Debian package postgresql"))
}

fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
}

fn wait_until(ready: impl Fn() -> bool, what: &str) {
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what} does not start");
        std::thread::sleep(Duration::from_millis(30));
    }
}
