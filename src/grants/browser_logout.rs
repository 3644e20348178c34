//! Ends the logins of a browser, and with them those of their users in other browsers if its form says so.

use std::sync::Arc;

use futures_util::future;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::{GrantManager, logout::EndedLogin};
use crate::store::StoreError;
use salesforce_connection::Secret;

/// What a logout of a browser ended.
#[derive(Debug)]
pub(crate) struct BrowserLogout {
    /// The logins that were found, in the order of the ids.
    pub(crate) ended: Vec<EndedLogin>,
    /// Whether the browser sent a login, and each was found.
    pub(crate) is_complete: bool,
    /// The store failed.
    pub(crate) outage: Option<StoreError>,
}

impl GrantManager {
    /// Ends the logins of a browser at once, each as [`log_out`](Self::log_out) does, and all others of their users as soon
    /// as `everywhere` says so. Runs in a task that no request owns: it ends them whether the browser waits or not.
    ///
    /// Returns `None` if the process ends before.
    pub(crate) fn log_out_browser<F>(
        self: &Arc<Self>,
        ids: Vec<Secret>,
        everywhere: F,
    ) -> impl Future<Output = Option<BrowserLogout>> + use<F>
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let (done, ended) = oneshot::channel();
        let manager = Arc::clone(self);
        let work = async move {
            let outcomes = future::join_all(ids.iter().map(|id| manager.log_out(id))).await;
            let mut logout = BrowserLogout { ended: Vec::new(), is_complete: !ids.is_empty(), outage: None };
            for outcome in outcomes {
                match outcome {
                    Ok(Some(login)) => logout.ended.push(login),
                    Ok(None) => logout.is_complete = false,
                    // It is retried; the browser has lost its cookie already.
                    Err(error) => {
                        tracing::error!(%error, "logout not stored yet. It is tried again in the background");
                        logout.outage = Some(error);
                    }
                }
            }
            if everywhere.await {
                for login in &logout.ended {
                    if let Err(error) = manager.log_out_everywhere(login.user).await {
                        logout.outage = Some(error);
                    }
                }
            }
            // The request may be gone.
            let _ = done.send(logout);
        };
        self.config.background.spawn(work.in_current_span());
        async move { ended.await.ok() }
    }
}
