//! Waiting for what another process does.

use std::time::{Duration, Instant};

/// Waits until it holds, or fails after 15 seconds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(15), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
