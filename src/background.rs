//! A separate thread for work that no request may end.
//!
//! A refresh that rotated a token must be stored even if the client that caused it disconnects and its worker stops, so
//! it runs neither in the request's future nor on the worker's runtime.
//!
//! The end of the program waits for it: on `shutdown`, when the last handle is dropped, and when the main thread ends. The
//! last is needed because a server that was stopped without grace leaves workers that still hold theirs, or that drop the
//! last one while `main` returns, which ends the process under it.

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

/// How long the end of the program waits for work that is still running: a little longer than a refresh may take.
const LAST_WAIT: Duration = Duration::from_secs(22);

/// Owns the thread. Dropping it waits, within bounds, for what is still running.
pub(crate) struct Background {
    spawner: Spawner,
    end: Arc<End>,
    /// Cancelled when the thread has ended.
    ended: CancellationToken,
}

/// Ends the thread.
struct End {
    ending: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("running", &self.spawner.tracker.len()).finish_non_exhaustive()
    }
}

/// Starts work on the background thread. Work may hold it: unlike [`Background`] it keeps nothing alive.
#[derive(Clone)]
pub(crate) struct Spawner {
    handle: runtime::Handle,
    tracker: TaskTracker,
    ending: CancellationToken,
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

/// The background thread is gone: its last owner was dropped, or the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the `Salesforce` that does this work was dropped, or the program is shutting down")]
pub(crate) struct Stopped;

impl Background {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let tracker = TaskTracker::new();
        let running = tracker.clone();
        let ending = CancellationToken::new();
        let end = ending.clone();
        let ended = CancellationToken::new();
        let at_end = ended.clone().drop_guard();
        let thread = thread::Builder::new().name("actix-salesforce".to_owned()).spawn(move || {
            let _at_end = at_end;
            runtime.block_on(async move {
                end.cancelled().await;
                running.close();
                if tokio::time::timeout(LAST_WAIT, running.wait()).await.is_err() {
                    tracing::error!(
                        unfinished = running.len(),
                        "the program ends with Salesforce work unfinished"
                    );
                }
            });
        })?;
        let end = Arc::new(End { ending: ending.clone(), thread: Mutex::new(Some(thread)) });
        AtExit::add(&end);
        Ok(Self { spawner: Spawner { handle, tracker, ending }, end, ended })
    }

    pub(crate) fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// Asks the thread to end and waits until it has, LAST_WAIT at most, without blocking the caller's thread.
    pub(crate) async fn finish(&self) {
        self.end.ending.cancel();
        self.ended.cancelled().await;
    }

    /// Runs work to its end even when the caller is dropped, and gives its result.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.spawner.spawn(async move {
            // Nobody may be waiting any more.
            let _ = sender.send(work.await);
        });
        receiver.await.map_err(|_| Stopped)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.end.wait();
    }
}

impl End {
    /// Asks the thread to end and waits until it has, which takes LAST_WAIT at most.
    fn wait(&self) {
        self.ending.cancel();
        // Held meanwhile, so that whoever comes second waits as well.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = |thread: &mut JoinHandle<()>| thread.thread().id() != thread::current().id();
        if let Some(thread) = thread.take_if(is_other) {
            // An error means that it panicked, which it has reported itself.
            let _ = thread.join();
        }
    }
}

/// What the end of the main thread waits for, the newest first: a store is opened before what uses it.
struct AtExit(RefCell<Vec<Weak<End>>>);

thread_local! {
    // Its destructor runs when the thread ends; for the main thread that is the end of the process, also by
    // `std::process::exit`, wherever the C library runs destructors of the main thread (glibc, macOS and Windows do).
    static AT_EXIT: AtExit = const { AtExit(RefCell::new(Vec::new())) };
}

impl AtExit {
    /// Only for the main thread: others come and go.
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

/// The span of work that the current one begins and need not live to see the end of: not its child, which would keep it
/// open, but what follows from it. `span` has no parent.
pub(crate) fn follow_up(span: Span) -> Span {
    span.follows_from(Span::current());
    span
}

impl Spawner {
    /// Runs work to its end.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.tracker.spawn_on(work, &self.handle));
    }

    /// Whether the thread is ending, or has ended: new work may not run any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_cancelled()
    }

    /// Waits before another try of something that the end of the program need not wait for. `false`: do not try again.
    pub(crate) async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.ending.cancelled() => false,
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
    fn the_end_of_the_program_waits_for_running_work() {
        let background = Background::start().unwrap();
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
    async fn finishing_waits_for_running_work_and_takes_no_more() {
        let background = Background::start().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        background.spawner().spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            flag.store(true, Ordering::SeqCst);
        });
        background.finish().await;
        assert!(done.load(Ordering::SeqCst));
        assert!(background.run(async {}).await.is_err());
        background.finish().await;
    }

    #[tokio::test]
    async fn work_goes_on_when_its_caller_goes_away() {
        let background = Background::start().unwrap();
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
