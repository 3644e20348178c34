//! Real database servers on free loopback ports, with data in folders of their own. They end when they are dropped.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// A folder that goes when this is dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("actix-salesforce-{name}-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Stops (`STOP`), continues (`CONT`) or ends (`KILL`) a process.
fn signal(pid: u32, name: &str) {
    let done = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).output().unwrap();
    // One that has ended meanwhile needs no killing.
    assert!(done.status.success() || name == "KILL", "process {pid} takes {name}");
}

fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !ready() {
        assert!(Instant::now() < end, "{what} did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A Redis server.
pub struct Redis {
    port: u16,
    process: Option<Child>,
    folder: Folder,
}

impl Redis {
    pub fn start() -> Self {
        let mut server = Self { port: free_port(), process: None, folder: Folder::new("redis") };
        server.start_again();
        server
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it on the same port as before, empty.
    pub fn start_again(&mut self) {
        let process = Command::new("redis-server")
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .arg("--dir")
            .arg(&self.folder.0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is missing: install the Debian package redis-server");
        self.process = Some(process);
        let port = self.port;
        wait_until("redis-server", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// From now on it accepts connections and answers nothing.
    pub fn hang(&self) {
        signal(self.process.as_ref().unwrap().id(), "STOP");
    }

    pub fn go_on(&self) {
        signal(self.process.as_ref().unwrap().id(), "CONT");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A PostgreSQL server.
pub struct Postgres {
    port: u16,
    process: Option<Child>,
    data: PathBuf,
    folder: Folder,
}

impl Postgres {
    pub fn start() -> Self {
        let folder = Folder::new("postgres");
        // It refuses to run as root, and the folder has to be its own.
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.file("data");
        fs::create_dir(&data).unwrap();
        if let Some((user, group)) = other_user() {
            chown(&data, Some(user), Some(group)).unwrap();
        }
        let made = Self::command("initdb")
            .args(["--auth=trust", "--username=app", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output()
            .expect("initdb is missing: install the Debian package postgresql");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { port: free_port(), process: None, data, folder };
        server.start_again();
        server
    }

    fn command(name: &str) -> Command {
        let mut command = Command::new(find(name));
        if let Some((user, group)) = other_user() {
            command.uid(user).gid(group);
        }
        command.current_dir("/");
        command
    }

    pub fn url(&self) -> String {
        format!("postgres://app:unused-password@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it on the same port as before, with the same data.
    pub fn start_again(&mut self) {
        let process = Self::command("postgres")
            .arg("-D")
            .arg(&self.data)
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "unix_socket_directories="])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres is missing: install the Debian package postgresql");
        self.process = Some(process);
        let port = self.port;
        wait_until("postgres", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// The server and the processes that serve its connections.
    fn processes(&self) -> Vec<u32> {
        let main = self.process.as_ref().unwrap().id();
        let children = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            (parent == main).then_some(pid)
        });
        std::iter::once(main).chain(children).collect()
    }

    pub fn hang(&self) {
        self.processes().into_iter().for_each(|pid| signal(pid, "STOP"));
    }

    pub fn go_on(&self) {
        self.processes().into_iter().for_each(|pid| signal(pid, "CONT"));
    }

    pub fn kill(&mut self) {
        if self.process.is_none() {
            return;
        }
        self.processes().into_iter().for_each(|pid| signal(pid, "KILL"));
        let _ = self.process.take().unwrap().wait();
        let _ = fs::remove_file(self.data.join("postmaster.pid"));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where Debian keeps the server's programs, if they are not in `PATH`.
fn find(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain(versions.map(|version| version.path().join("bin")))
        .collect::<Vec<_>>();
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| Path::new(name).to_path_buf())
}

/// Somebody else to be, for root.
fn other_user() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(of("postgres").or_else(|| of("nobody")).expect("the user postgres or nobody"))
}
