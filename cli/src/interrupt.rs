//! [`Interrupt`]: Ctrl-C, SIGTERM and SIGHUP (a terminal that closes). Tokens that exist then are revoked before the program
//! ends.

use std::future::Future;

use tokio::sync::watch;

use crate::output::note;

/// Whether the program was asked to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let (raise, raised) = watch::channel(false);
        let signal = signal();
        tokio::spawn(async move {
            signal.await;
            note("Interrupted", "ending, and revoking what was issued to this run");
            // Further signals have no effect: what is left is one revocation, with a deadline. A terminal that closes and a
            // service that stops send several at once.
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

/// Returns when a signal arrives. From this call on a signal does not end the program by itself.
#[cfg(unix)]
fn signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let signals = kinds.map(|kind| signal(kind).ok());
    async move {
        let received =
            signals.into_iter().flatten().map(|mut signal| Box::pin(async move { signal.recv().await }));
        let received: Vec<_> = received.collect();
        if received.is_empty() {
            std::future::pending::<()>().await;
        }
        futures_util::future::select_all(received).await;
    }
}

#[cfg(not(unix))]
fn signal() -> impl Future<Output = ()> {
    async { _ = tokio::signal::ctrl_c().await }
}
