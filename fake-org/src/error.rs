//! Errors of the library.

/// Why an org did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The host is not of this machine. A fake org issues tokens without authentication, so it listens on loopback only.
    #[error("`{0}` is not a loopback host; a fake org listens on localhost, 127.0.0.1 or ::1 only")]
    NotLoopback(String),
    /// The port could not be taken.
    #[error("cannot listen on {host}:{port}: {source}")]
    Listen {
        /// The host asked for.
        host: String,
        /// The port asked for; 0 is any.
        port: u16,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No thread or runtime for the servers.
    #[error("cannot start the servers: {0}")]
    Serve(#[source] std::io::Error),
    /// The sample data, or what was declared, could not be made.
    #[error("cannot fill the org: {0}")]
    Data(String),
    /// An option has a value that means nothing.
    #[error("{0}")]
    Option(String),
}
