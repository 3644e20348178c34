//! A command as a child process, and the signals that end it.

use std::{
    io::{ErrorKind, IsTerminal as _},
    process::{ExitStatus, Stdio},
};

use tokio::process::{Child, Command};

use super::environment::Environment;
use crate::failure::Failure;

/// Runs the command to its end. Returns the status to exit with.
pub(super) async fn run(
    program: &str,
    arguments: &[String],
    environment: &Environment,
    mut signals: Signals,
) -> Result<u8, Failure> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::inherit()).kill_on_drop(true);
    for name in &environment.removed {
        command.env_remove(name);
    }
    command.envs(environment.set.iter().map(|(name, value)| (name, value)));
    // A terminal sends Ctrl-C to all processes of its foreground group, the command included. Elsewhere only this process
    // gets a signal: the command gets a group then, so that the signal reaches the processes that it started, too.
    let at_terminal = std::io::stdin().is_terminal();
    #[cfg(unix)]
    if !at_terminal {
        command.process_group(0);
    }
    let mut child = command.spawn().map_err(|error| not_started(program, &error))?;
    let mut was_told = false;
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(|error| Failure::of(format_args!("cannot wait for `{program}`"), &error).help("look whether it still runs, and end it"))?;
                return Ok(exit_status(status));
            }
            signal = signals.next() => {
                forward(&mut child, signal, at_terminal, was_told);
                was_told = true;
            }
        }
    }
}

fn not_started(program: &str, error: &std::io::Error) -> Failure {
    let failure = Failure::of(format_args!("cannot run `{program}`"), error);
    match error.kind() {
        ErrorKind::NotFound if program.contains(' ') => failure
            .help("give the command and each of its arguments as a word: `fake -- cargo run`, not `fake -- 'cargo run'`"),
        ErrorKind::NotFound if program.contains('/') => {
            failure.help(format!("there is no file `{program}` below this folder: build it first, or correct the path"))
        }
        ErrorKind::NotFound => failure.help(format!(
            "no folder of PATH has a program `{program}`: install it, or give its path (`./{program}`). For what the \
             shell itself knows write `fake -- sh -c '…'`"
        )),
        ErrorKind::PermissionDenied => failure.help(format!("make it executable: `chmod +x {program}`")),
        _ => failure.help("run it without `fake --` first: it may not be a program of this system"),
    }
}

/// The status of a shell: the program's, or 128 and the number of the signal that ended it.
fn exit_status(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Passes a signal on to the command. A second one kills it.
#[cfg(unix)]
fn forward(child: &mut Child, signal: Signal, at_terminal: bool, again: bool) {
    use rustix::process::{Pid, kill_process, kill_process_group};

    let signal = match signal {
        _ if again => Signal::KILL,
        // The terminal has sent it to the command already.
        Signal::INT if at_terminal => return,
        signal => signal,
    };
    let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) else { return };
    let sent = if at_terminal { kill_process(pid, signal) } else { kill_process_group(pid, signal) };
    // An error means that the command has ended.
    let _ = sent;
}

#[cfg(not(unix))]
fn forward(child: &mut Child, _: Signal, _: bool, again: bool) {
    // The console has sent Ctrl-C to the command already.
    if again {
        let _ = child.start_kill();
    }
}

#[cfg(unix)]
type Signal = rustix::process::Signal;

/// The signals that end the command.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
        }
    }
}

#[cfg(not(unix))]
type Signal = ();

#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
