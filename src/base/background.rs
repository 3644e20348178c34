//! [`BackgroundRuntime`]: a thread for work that must end even if the request that started it is dropped.
//!
//! A rotated token must be stored even if its client disconnects and its worker stops. So a refresh runs neither in the
//! future of a request nor on the runtime of a worker.
//!
//! The end of the process waits for this work in two ways. Dropping the last handle waits. But a server that was stopped
//! without grace leaves workers that still hold handles, or that drop the last one while `main` returns, which ends the
//! process. So the end of the main thread waits too.

use std::{
    cell::RefCell,
    fmt, io,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{runtime, sync::oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Span;

/// How long the end of the process waits for running work, by default. A little longer than a refresh may take, which
/// `grants::Timing` checks.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(22);

/// Owns the thread. Dropping it waits for running work, for a limited time.
pub(crate) struct BackgroundRuntime {
    spawner: TaskSpawner,
    end: Arc<End>,
    /// Cancelled when the thread has ended.
    ended: CancellationToken,
}

/// Stops the thread.
struct End {
    stopping: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for BackgroundRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundRuntime")
            .field("running", &self.spawner.tracker.len())
            .finish_non_exhaustive()
    }
}

/// Starts work on the background thread. Work may hold a spawner: unlike [`BackgroundRuntime`] it does not keep the thread
/// running.
#[derive(Clone)]
pub(crate) struct TaskSpawner {
    handle: runtime::Handle,
    tracker: TaskTracker,
    stopping: CancellationToken,
}

impl fmt::Debug for TaskSpawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSpawner").finish_non_exhaustive()
    }
}

/// The background thread has stopped: its last owner was dropped, or the process is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the `Salesforce` that does this work was dropped, or the process is shutting down")]
pub(crate) struct Stopped;

impl BackgroundRuntime {
    /// Starts a thread that the end of the process waits for up to [`SHUTDOWN_TIMEOUT`].
    #[cfg(any(test, feature = "redis", feature = "sqlite", feature = "postgres"))]
    pub(crate) fn start() -> io::Result<Self> {
        Self::start_within(SHUTDOWN_TIMEOUT)
    }

    /// Starts a thread that the end of the process waits for up to `shutdown_timeout`.
    pub(crate) fn start_within(shutdown_timeout: Duration) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let tracker = TaskTracker::new();
        let running = tracker.clone();
        let stopping = CancellationToken::new();
        let end = stopping.clone();
        let ended = CancellationToken::new();
        let at_end = ended.clone().drop_guard();
        let thread = thread::Builder::new().name("actix-salesforce".to_owned()).spawn(move || {
            let _at_end = at_end;
            runtime.block_on(async move {
                end.cancelled().await;
                running.close();
                if tokio::time::timeout(shutdown_timeout, running.wait()).await.is_err() {
                    tracing::error!(
                        unfinished = running.len(),
                        "the process ends although Salesforce work is unfinished"
                    );
                }
            });
        })?;
        let end = Arc::new(End { stopping: stopping.clone(), thread: Mutex::new(Some(thread)) });
        AtExit::add(&end);
        Ok(Self { spawner: TaskSpawner { handle, tracker, stopping }, end, ended })
    }

    /// Returns a handle for starting work.
    pub(crate) fn spawner(&self) -> TaskSpawner {
        self.spawner.clone()
    }

    /// Asks the thread to stop, without waiting for it.
    #[cfg(feature = "events")]
    pub(crate) fn request_stop(&self) {
        self.end.stopping.cancel();
    }

    /// Stops the thread and waits until it has ended, for the same limited time, without blocking the caller's thread.
    pub(crate) async fn finish(&self) {
        self.end.stopping.cancel();
        self.ended.cancelled().await;
    }

    /// Runs work to its end even if the caller is dropped. Returns its result.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.spawner.spawn(async move {
            // The caller may have been dropped.
            let _ = sender.send(work.await);
        });
        receiver.await.map_err(|_| Stopped)
    }
}

impl Drop for BackgroundRuntime {
    fn drop(&mut self) {
        self.end.wait();
    }
}

impl End {
    /// Stops the thread and waits until it has ended, up to the shutdown timeout.
    fn wait(&self) {
        self.stopping.cancel();
        // Held while waiting, so that a second caller waits as well.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = |thread: &mut JoinHandle<()>| thread.thread().id() != thread::current().id();
        if let Some(thread) = thread.take_if(is_other) {
            // An error means that the thread panicked, which the panic hook has reported.
            let _ = thread.join();
        }
    }
}

/// The threads that the end of the main thread waits for, the newest first: a store is opened before its users.
struct AtExit(RefCell<Vec<Weak<End>>>);

thread_local! {
    // Its destructor runs when the thread ends. For the main thread that is the end of the process, also by
    // `std::process::exit`, if the C library runs destructors of the main thread (glibc, macOS and Windows do).
    static AT_EXIT: AtExit = const { AtExit(RefCell::new(Vec::new())) };
}

impl AtExit {
    /// Registers a thread if called on the main thread. Other threads may end long before the process.
    fn add(end: &Arc<End>) {
        if thread::current().name() == Some("main") {
            AT_EXIT.with(|at_exit| {
                let mut ends = at_exit.0.borrow_mut();
                ends.retain(|end| end.strong_count() > 0);
                ends.push(Arc::downgrade(end));
            });
        }
    }
}

impl Drop for AtExit {
    fn drop(&mut self) {
        for end in self.0.get_mut().drain(..).rev() {
            if let Some(end) = end.upgrade() {
                end.wait();
            }
        }
    }
}

/// Makes `span` follow from the current span, for work that may outlive it. A child would keep the current span open.
/// `span` must have no parent.
pub(crate) fn detached_span(span: Span) -> Span {
    span.follows_from(Span::current());
    span
}

impl TaskSpawner {
    /// Runs work to its end in the background.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.tracker.spawn_on(work, &self.handle));
    }

    /// Returns the runtime of the thread. Its tasks are not waited for at the end of the process.
    pub(crate) fn runtime(&self) -> runtime::Handle {
        self.handle.clone()
    }

    /// Returns true if the thread is stopping or has stopped: new work may not run.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Returns a token that is cancelled when the thread stops, or by itself.
    #[cfg(feature = "events")]
    pub(crate) fn child_token(&self) -> CancellationToken {
        self.stopping.child_token()
    }

    /// Waits before a retry. Returns `false` as soon as the thread is stopping: the caller must not retry then.
    pub(crate) async fn sleep_unless_stopping(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.stopping.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    #[test]
    fn the_end_of_the_process_waits_for_running_work() {
        let background = BackgroundRuntime::start().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        background.spawner().spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            flag.store(true, Ordering::SeqCst);
        });
        drop(background);
        assert!(done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn work_continues_if_its_caller_is_dropped() {
        let background = BackgroundRuntime::start().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        let work = background.run(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            flag.store(true, Ordering::SeqCst);
        });
        assert!(tokio::time::timeout(Duration::from_millis(5), work).await.is_err());
        drop(background);
        assert!(done.load(Ordering::SeqCst));
    }
}
