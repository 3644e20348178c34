//! Starting the program.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::control::FakeOrgProcess;
use super::{ProcessError, http};

/// The environment variable that names the program.
const VARIABLE: &str = "FAKE_ORG";

/// How the program `fake-org` is started.
#[derive(Clone, Debug)]
#[must_use = "the program starts with `spawn`"]
pub struct ProcessBuilder {
    program: OsString,
    arguments: Vec<OsString>,
}

impl Default for ProcessBuilder {
    fn default() -> Self {
        let program = std::env::var_os(VARIABLE).unwrap_or_else(|| "fake-org".into());
        Self { program, arguments: Vec::new() }
    }
}

impl ProcessBuilder {
    /// The program's path. Default: the value of the environment variable `FAKE_ORG`, else `fake-org` in `PATH`.
    pub fn program(mut self, path: impl Into<OsString>) -> Self {
        self.program = path.into();
        self
    }

    /// Adds an option of the program, such as `--rows` and then `10`. `fake-org --help` lists them. `--tls` is not
    /// supported: the handle speaks HTTP. The port is a free one unless `--port` is given.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Starts the program and waits until it serves. Blocks the thread meanwhile.
    ///
    /// # Errors
    ///
    /// When the program cannot be run, or ends before it serves.
    pub fn spawn(self) -> Result<FakeOrgProcess, ProcessError> {
        let program = self.program.to_string_lossy().into_owned();
        let mut command = Command::new(&self.program);
        if !self.arguments.iter().any(|argument| argument == "--port") {
            command.args(["--port", "0"]);
        }
        // With its standard input closed the program stops, also when this process is killed.
        command.arg("--stop-with-stdin").args(&self.arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| ProcessError::Spawn { program: program.clone(), source })?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut running = Running { child, _stdin: stdin, stdout: stdout.map(BufReader::new) };
        let not_ready = |reason: String| ProcessError::NotReady { program: program.clone(), reason };
        let line = running.first_line().map_err(|error| not_ready(error.to_string()))?;
        let ready: Value =
            serde_json::from_str(&line).map_err(|_| not_ready(format!("it printed `{line}`")))?;
        let login_url = ready["login_url"].as_str().unwrap_or_default().to_owned();
        let facts = http::send(&login_url, "GET", "/fake/org", None)?;
        FakeOrgProcess::new(running, &facts)
            .ok_or_else(|| not_ready(format!("it described itself as {facts}")))
    }
}

/// The child process. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    // Held open: the program stops when it is closed.
    _stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Running {
    fn first_line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if let Some(stdout) = &mut self.stdout {
            stdout.read_line(&mut line)?;
        }
        if line.is_empty() { Err(std::io::Error::other("it ended without its line")) } else { Ok(line) }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only for a child that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
