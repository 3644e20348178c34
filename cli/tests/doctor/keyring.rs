//! A keyring that is open, on a bus that only the test has: GNOME Keyring over D-Bus.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// Ends with the test.
pub(crate) struct Keyring {
    pub address: String,
    folder: TempDir,
    bus: Child,
    daemon: Child,
}

impl Keyring {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bus = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address"])
            .arg(format!("--address=unix:dir={}", folder.path().display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is missing: scripts/setup test");
        let mut address = String::new();
        let printed = bus.stdout.take().expect("piped");
        BufReader::new(printed).read_line(&mut address).expect("an address");
        let address = address.trim().to_owned();
        let mut daemon = Command::new("gnome-keyring-daemon")
            .args(["--unlock", "--components=secrets", "--foreground"])
            .env("DBUS_SESSION_BUS_ADDRESS", &address)
            .env("HOME", folder.path())
            .env("XDG_DATA_HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("gnome-keyring-daemon is missing: scripts/setup test");
        daemon.stdin.take().expect("piped").write_all(b"password of a test").expect("it reads");
        let keyring = Self { address, folder, bus, daemon };
        for _ in 0..500 {
            let owned = keyring.send(
                "org.freedesktop.DBus",
                "/",
                &["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"],
            );
            if owned.contains("boolean true") {
                return keyring;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the keyring does not start");
    }

    /// Returns how many entries of the program there are.
    pub(crate) fn entries(&self) -> usize {
        let search = "org.freedesktop.Secret.Service.SearchItems";
        let found = self.send(
            "org.freedesktop.secrets",
            "/org/freedesktop/secrets",
            &[search, "dict:string:string:service,actix-salesforce doctor"],
        );
        assert!(found.contains("array ["), "{found}");
        found.matches("object path").count()
    }

    /// Ends the keyring and the bus.
    pub(crate) fn stop(&mut self) {
        for process in [&mut self.daemon, &mut self.bus] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn send(&self, destination: &str, path: &str, call: &[&str]) -> String {
        let sent = Command::new("dbus-send")
            .args([
                &format!("--bus={}", self.address),
                "--print-reply",
                &format!("--dest={destination}"),
                path,
            ])
            .args(call)
            .output()
            .expect("dbus-send is missing: scripts/setup test");
        String::from_utf8_lossy(&sent.stdout).into_owned()
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        self.stop();
        let _ = self.folder.path();
    }
}
