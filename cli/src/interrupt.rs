//! [`Interrupt`]: Ctrl-C and SIGTERM. Tokens that exist then are revoked before the program ends.

use std::future::Future;

use tokio::sync::watch;

/// Whether the program was asked to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let (raise, raised) = watch::channel(false);
        tokio::spawn(async move {
            signal().await;
            // Further signals have no effect: the time that is left is that of one revocation.
            let _ = raise.send(true);
            raise.closed().await;
        });
        Self(raised)
    }

    pub(crate) fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns the outcome of the work, or `None` if the program was asked to end meanwhile.
    ///
    /// The work is dropped then: it must not be a request for tokens.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut raised = self.0.clone();
        tokio::select! {
            biased;
            _ = raised.wait_for(|raised| *raised) => None,
            done = work => Some(done),
        }
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
