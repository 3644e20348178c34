//! [`LookUp`]: work that all extractors of a request wait for, done once.
//!
//! Extractors of a handler are polled by one task, one after the other. A cell that lets the first of them work and wakes
//! the others afterwards has the task polled once more for nothing. Here each extractor that is polled polls the work.

use std::{
    cell::{OnceCell, RefCell},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_util::future::LocalBoxFuture;

/// Work that starts when its result is first asked for.
pub(super) struct LookUp<T>(OnceCell<RefCell<State<T>>>);

enum State<T> {
    Running(Running<T>),
    Done(T),
}

struct Running<T> {
    work: LocalBoxFuture<'static, T>,
    /// What the work wakes.
    woken: Option<Waker>,
    /// What other tasks wait with.
    others: Vec<Waker>,
}

impl<T: Clone> LookUp<T> {
    pub(super) fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Returns the result if it is there.
    pub(super) fn result(&self) -> Option<T> {
        self.0.get().and_then(State::result)
    }

    /// Starts the work unless it was started before, and returns what waits for its result.
    pub(super) fn start(&self, work: impl FnOnce() -> LocalBoxFuture<'static, T>) -> Waiting<'_, T> {
        let state = self.0.get_or_init(|| {
            let mut work = work();
            RefCell::new(match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => State::Done(result),
                // Each that waits polls it, so that it wakes one of them.
                Poll::Pending => State::Running(Running { work, woken: None, others: Vec::new() }),
            })
        });
        Waiting { state, waits: false }
    }
}

impl<T: Clone> State<T> {
    fn result(state: &RefCell<Self>) -> Option<T> {
        match &*state.borrow() {
            Self::Done(result) => Some(result.clone()),
            Self::Running(_) => None,
        }
    }
}

/// Waits for a result.
pub(super) struct Waiting<'a, T> {
    state: &'a RefCell<State<T>>,
    /// Whether it has been polled, and has not got the result.
    waits: bool,
}

impl<T: Clone> Waiting<'_, T> {
    /// Returns the result if it is there at once.
    pub(super) fn now(&self) -> Option<T> {
        State::result(self.state)
    }
}

impl<T: Clone> Future for Waiting<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let polled = match &mut *self.state.borrow_mut() {
            State::Done(result) => Poll::Ready(result.clone()),
            State::Running(running) => running.poll(context),
        };
        self.waits = polled.is_pending();
        polled.map(|result| {
            let former = self.state.replace(State::Done(result.clone()));
            if let State::Running(Running { woken, others, .. }) = former {
                others
                    .into_iter()
                    .chain(woken)
                    .filter(|other| !other.will_wake(context.waker()))
                    .for_each(Waker::wake);
            }
            result
        })
    }
}

impl<T> Running<T> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<T> {
        let waker = context.waker();
        if !self.woken.as_ref().is_some_and(|woken| woken.will_wake(waker)) {
            self.others.extend(self.woken.replace(waker.clone()));
        }
        self.work.as_mut().poll(context)
    }
}

/// Another task goes on with the work.
impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        if self.waits
            && let State::Running(running) = &mut *self.state.borrow_mut()
        {
            running.others.drain(..).for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        rc::Rc,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Task(Arc<Count>, Waker);

    impl Task {
        fn new() -> Self {
            let count = Arc::<Count>::default();
            Self(Arc::clone(&count), count.into())
        }

        fn poll<T: Clone>(&self, waiting: &mut Waiting<'_, T>) -> Poll<T> {
            waiting.poll_unpin(&mut Context::from_waker(&self.1))
        }

        fn woken(&self) -> usize {
            self.0.0.load(Ordering::Relaxed)
        }
    }

    /// Waits for work that runs already.
    fn wait(look_up: &LookUp<u32>) -> Waiting<'_, u32> {
        look_up.start(|| panic!("it runs once"))
    }

    fn started() -> (LookUp<u32>, oneshot::Sender<u32>, Rc<()>) {
        let (sender, receiver) = oneshot::channel();
        let (look_up, runs) = (LookUp::new(), Rc::new(()));
        let held = Rc::clone(&runs);
        let work = async move {
            let _held = held;
            receiver.await.unwrap()
        };
        assert_eq!(look_up.start(|| work.boxed_local()).now(), None);
        assert_eq!(wait(&look_up).now(), None);
        (look_up, sender, runs)
    }

    #[test]
    fn what_is_there_at_once_needs_no_waiting() {
        let look_up = LookUp::new();
        assert_eq!(look_up.result(), None);
        assert_eq!(look_up.start(|| async { 7 }.boxed_local()).now(), Some(7));
        assert_eq!((wait(&look_up).now(), wait(&look_up).now_or_never()), (Some(7), Some(7)));
    }

    #[test]
    fn the_task_of_several_extractors_is_woken_once() {
        let (look_up, sender, runs) = started();
        let (task, mut first, mut second) = (Task::new(), wait(&look_up), wait(&look_up));
        assert!(task.poll(&mut first).is_pending() && task.poll(&mut second).is_pending());
        sender.send(7).unwrap();
        assert_eq!(task.woken(), 1);
        assert_eq!((task.poll(&mut first), task.poll(&mut second)), (Poll::Ready(7), Poll::Ready(7)));
        assert_eq!((task.woken(), Rc::strong_count(&runs)), (1, 1));
    }

    #[test]
    fn each_of_several_tasks_gets_the_result() {
        let (look_up, sender, _) = started();
        let (one, other) = (Task::new(), Task::new());
        let (mut first, mut second) = (wait(&look_up), wait(&look_up));
        assert!(one.poll(&mut first).is_pending() && other.poll(&mut second).is_pending());
        sender.send(7).unwrap();
        assert_eq!((one.woken(), other.woken()), (0, 1));
        assert_eq!(other.poll(&mut second), Poll::Ready(7));
        assert_eq!(one.woken(), 1);
        assert_eq!(one.poll(&mut first), Poll::Ready(7));
    }

    #[test]
    fn a_task_goes_on_if_the_one_that_works_is_dropped() {
        let (look_up, sender, _) = started();
        let (one, other) = (Task::new(), Task::new());
        let (mut first, mut second) = (wait(&look_up), wait(&look_up));
        assert!(one.poll(&mut first).is_pending() && other.poll(&mut second).is_pending());
        drop(second);
        assert_eq!(one.woken(), 1);
        assert!(one.poll(&mut first).is_pending());
        sender.send(7).unwrap();
        assert_eq!((one.woken(), one.poll(&mut first)), (2, Poll::Ready(7)));
    }
}
