//! [`Progress`]: how far the reader is, for the runner that writes it.

use std::sync::{Arc, Mutex};

use salesforce_connection::events::Position;
use tokio::sync::Notify;

use super::term::Place;
use crate::base::lock::lock;

/// Shared by the reader of a term and its runner.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Where to go on, and the events since it was taken.
    reached: Mutex<(Option<Place<Position>>, u32)>,
    changed: Notify,
}

impl Progress {
    /// The event before this position is done with. `last` is the last one that a handler has handled.
    pub(super) fn done(&self, position: Position, last: Option<Position>) {
        let mut reached = lock(&self.0.reached);
        reached.0 = Some(Place { at: Some(position), event: last });
        reached.1 = reached.1.saturating_add(1);
        drop(reached);
        self.0.changed.notify_one();
    }

    /// There is no event before this position that is not done with. `last` is the last one that a handler has handled.
    pub(super) fn passed(&self, position: Position, last: Option<Position>) {
        let mut reached = lock(&self.0.reached);
        reached.0 = Some(Place { at: Some(position), event: last });
        drop(reached);
        self.0.changed.notify_one();
    }

    /// Takes what is new.
    pub(super) fn take(&self) -> Option<(Place<Position>, u32)> {
        let mut reached = lock(&self.0.reached);
        let events = std::mem::take(&mut reached.1);
        reached.0.take().map(|place| (place, events))
    }

    /// Waits until there is something new.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}
