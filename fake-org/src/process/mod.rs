//! The program `fake-org` as a handle: an org in a separate process, driven over `/fake/…`.

mod admin;
mod control;
mod faults;
mod http;
mod spawn;

pub use control::FakeOrgProcess;
pub use faults::ProcessFaults;
pub use spawn::ProcessBuilder;

/// Why the program did not start, or did not do what it was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The program could not be run.
    #[error(
        "cannot run `{program}`: {source}. `cargo install salesforce-fake-org` installs it; FAKE_ORG names another one"
    )]
    Spawn {
        /// The program's name or path.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The program ended, or printed something else than its line. Its standard error says why.
    #[error("the program `{program}` did not start: {reason}")]
    NotReady {
        /// The program's name or path.
        program: String,
        /// What came in place of the line.
        reason: String,
    },
    /// The request did not reach the program, or its response did not arrive.
    #[error("the request to {path} failed: {source}")]
    Request {
        /// The path below the login URL.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The program rejected the request, or its response is not what this version of the library expects.
    #[error("the request to {path} failed with status {status}: {body}")]
    Rejected {
        /// The path below the login URL.
        path: String,
        /// HTTP status.
        status: u16,
        /// The response's body.
        body: String,
    },
}
