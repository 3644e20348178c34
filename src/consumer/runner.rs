//! [`Runner`]: runs a consumer in this process whenever it holds the lease. The decisions are in `term.rs`.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Instant,
};

use salesforce_connection::{Client, Connection, Error, events::Position, token::ServiceUser};
use tokio_util::sync::CancellationToken;

use super::{
    Consumer, ConsumerProblem,
    progress::Progress,
    reader::{Ended, Reader},
    record,
    status::Status,
    term::{Failed, Step, Term, Write, Written},
};
use crate::{
    base::{clock::Clock, error_chain::ErrorChain, random, seal::KeyRing},
    grants::GrantManager,
    store::{ConsumerKey, LeaseHolder, LeaseName, PositionRecord, PositionSwap, Sealed, Store, StoreError},
};

/// A consumer, and what it needs to run.
pub(super) struct Runner {
    pub(super) consumer: Arc<Consumer>,
    pub(super) status: Arc<Status>,
    pub(super) grants: Arc<GrantManager>,
    pub(super) store: Arc<dyn Store>,
    pub(super) keys: KeyRing,
    pub(super) client: Client,
    pub(super) client_name: Option<String>,
    pub(super) user: ServiceUser,
    pub(super) clock: Clock,
    /// The process is stopping.
    pub(super) stopping: CancellationToken,
}

/// What a consumer is to this process for as long as its connection works.
struct Part {
    connection: Connection,
    key: ConsumerKey,
    holder: LeaseHolder,
    term: Term<Position>,
    /// The sealed form of the write whose outcome is unknown: it is repeated byte for byte.
    sealed: Option<(u64, Sealed)>,
    work: Option<Work>,
    progress: Progress,
    /// How the last work ended.
    ended: Option<Ended>,
    /// Until when the handler may go on although the process is stopping.
    stop_at: Option<Instant>,
}

/// The reader of a term.
type Work = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// How a part ended.
enum After {
    /// The process is stopping.
    Leave,
    /// The position is lost: it does not start again.
    Stay,
    /// It starts again, after a wait.
    Restart(ConsumerProblem),
}

impl Runner {
    /// Runs the consumer until the process stops.
    pub(super) async fn run(self) {
        let (mut failures, waits) = (0, self.consumer.timing.restart_waits);
        while !self.stopping.is_cancelled() {
            let started = self.clock.instant();
            let after = match self.connect().await {
                Ok(connection) => self.take_part(connection).await,
                Err(problem) => After::Restart(problem),
            };
            let problem = match after {
                After::Leave => break,
                After::Stay => {
                    self.status.stopped(ConsumerProblem::LostPosition);
                    return self.stopping.cancelled().await;
                }
                After::Restart(problem) => problem,
            };
            self.status.stopped(problem);
            if self.clock.instant().saturating_duration_since(started) > waits.max {
                failures = 0;
            }
            tokio::select! {
                () = self.stopping.cancelled() => {}
                () = tokio::time::sleep(waits.wait(failures, 20)) => failures += 1,
            }
        }
    }

    /// Returns a connection of the service user.
    async fn connect(&self) -> Result<Connection, ConsumerProblem> {
        let source = tokio::select! {
            () = self.stopping.cancelled() => return Err(ConsumerProblem::Unreachable),
            source = self.grants.service(&self.user) => source,
        };
        match source {
            Ok(source) => Ok(Connection::new(&self.client, source)),
            Err(error) => {
                let consumer = &self.consumer.name;
                tracing::error!(%consumer, %error, "a consumer cannot start: its service user has no token. It is tried again");
                Err(problem_of(&error))
            }
        }
    }

    /// Runs the consumer whenever this process holds the lease, until it has to be connected again.
    async fn take_part(&self, connection: Connection) -> After {
        let key = ConsumerKey::new(&self.consumer.name, connection.organization_id(), &self.consumer.topic);
        let term = Term::new(self.consumer.timing, self.clock.instant());
        let Some(holder) = new_holder() else { return After::Restart(ConsumerProblem::Store) };
        let progress = Progress::default();
        let mut part = Part {
            connection,
            key,
            holder,
            term,
            sealed: None,
            work: None,
            progress,
            ended: None,
            stop_at: None,
        };
        let mut after = After::Leave;
        let mut number = part.term.number();
        self.status.standby();
        loop {
            let now = self.clock.instant();
            if let Some((place, events)) = part.progress.take() {
                part.term.handled(place, events);
            }
            self.stop_in_time(&mut part, now);
            if let Some(ended) = part.ended.take() {
                after = self.after(ended);
                part.term.leave(now);
            }
            let step = part.term.next(now);
            if part.term.number() != number {
                number = part.term.number();
                let Some(holder) = new_holder() else { return After::Restart(ConsumerProblem::Store) };
                // What the former term knew counts no longer.
                (part.holder, part.sealed, part.progress) = (holder, None, Progress::default());
                tracing::warn!(consumer = %self.consumer.name, "consumer stopped: its lease was lost. Another process runs it from now on, if there is one");
                self.status.standby();
            }
            self.follow(&mut part);
            match step {
                Step::End => return after,
                Step::Wait(until) => self.wait(&mut part, until).await,
                Step::Acquire => self.acquire(&mut part).await,
                Step::Load => {
                    if !self.load(&mut part).await {
                        after = After::Restart(ConsumerProblem::PositionUnreadable);
                        part.term.leave(now);
                    }
                }
                Step::Write(write) => self.write(&mut part, write).await,
                Step::Release => self.release(&mut part).await,
            }
        }
    }

    /// Leaves when the process is stopping: at once, or when the handler has ended or took too long.
    fn stop_in_time(&self, part: &mut Part, now: Instant) {
        if !self.stopping.is_cancelled() {
            return;
        }
        let stop_at = *part.stop_at.get_or_insert(now + self.consumer.timing.handler_at_end);
        if part.work.is_none() {
            part.term.leave(now);
        } else if now >= stop_at && part.ended.is_none() {
            tracing::warn!(consumer = %self.consumer.name, "a handler did not end in time: its event is handled again");
            (part.work, part.ended) = (None, Some(Ended::Stopped));
        }
    }

    /// Starts the reader when a term begins, and drops it with its handler when the term is over.
    fn follow(&self, part: &mut Part) {
        if part.term.runs_until().is_none() {
            part.work = None;
        } else if part.work.is_none() {
            tracing::info!(consumer = %self.consumer.name, topic = %self.consumer.topic, "a consumer runs here");
            part.progress = Progress::default();
            let reader = Reader {
                consumer: Arc::clone(&self.consumer),
                connection: part.connection.clone(),
                client_name: self.client_name.clone(),
                is_first_term: part.term.is_first(),
                status: Arc::clone(&self.status),
                progress: part.progress.clone(),
                stopping: self.stopping.clone(),
                without_handler: Mutex::default(),
            };
            part.work = Some(Box::pin(reader.run(part.term.place().clone())));
        }
    }

    fn after(&self, ended: Ended) -> After {
        match ended {
            Ended::Stopped => After::Leave,
            Ended::LostPosition => After::Stay,
            Ended::Failed(error) => {
                let consumer = &self.consumer.name;
                tracing::error!(%consumer, %error, "a consumer was stopped by Salesforce, and is tried again");
                After::Restart(problem_of(&error))
            }
        }
    }

    /// Waits until there is something to decide.
    async fn wait(&self, part: &mut Part, until: Instant) {
        let until = part.stop_at.filter(|_| part.work.is_some()).map_or(until, |stop_at| stop_at.min(until));
        let deadline = part.term.runs_until();
        let Part { work, progress, ended, stop_at, .. } = part;
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(until.into()) => {}
            how = poll_before(deadline, work, &self.clock) => *ended = Some(how),
            () = progress.changed() => {}
            () = self.stopping.cancelled(), if stop_at.is_none() => {}
        }
    }

    /// Runs an operation of the store. Events are handled meanwhile.
    async fn alongside<T>(&self, part: &mut Part, operation: impl Future<Output = T>) -> T {
        let deadline = part.term.runs_until();
        let mut operation = std::pin::pin!(operation);
        if part.ended.is_none() {
            tokio::select! {
                biased;
                result = &mut operation => return result,
                how = poll_before(deadline, &mut part.work, &self.clock) => part.ended = Some(how),
            }
        }
        operation.await
    }

    async fn acquire(&self, part: &mut Part) {
        let (name, lifetime) = (LeaseName::Consumer(part.key), self.consumer.timing.lease_lifetime);
        let sent = self.clock.instant();
        let acquired = self.store.acquire_lease(name, part.holder, lifetime);
        let acquired = self.alongside(part, acquired).await;
        let outcome = self.outcome("acquiring the lease of a consumer failed", acquired);
        if let Ok(is_held) = outcome {
            self.status.store_works(!is_held);
        }
        part.term.acquired(sent, self.clock.instant(), outcome);
    }

    /// Loads the record. Returns false if it is unreadable.
    async fn load(&self, part: &mut Part) -> bool {
        let found = self.store.load_position(part.key).await;
        let unreadable = |error: &dyn std::error::Error| {
            tracing::error!(consumer = %self.consumer.name, %error, "consumer stopped: its position is unreadable. Restore the key in SALESFORCE_KEYS, or rename the consumer");
        };
        let found = match found {
            Ok(None) => Ok(None),
            Ok(Some(found)) => match record::open(&self.keys, part.key, &found.sealed) {
                Ok(place) => Ok(Some((found.version, place))),
                Err(error) => {
                    unreadable(&error);
                    return false;
                }
            },
            Err(StoreError::Corrupt(error)) => {
                unreadable(&*error);
                return false;
            }
            Err(error) => self.outcome("loading the position of a consumer failed", Err(error)),
        };
        part.term.loaded(self.clock.instant(), found);
        true
    }

    async fn write(&self, part: &mut Part, write: Write<Position>) {
        let sealed = match part.sealed.take().filter(|(version, _)| *version == write.version) {
            Some((_, sealed)) => sealed,
            None => match record::seal(&self.keys, part.key, &write.place) {
                Ok(sealed) => sealed,
                Err(error) => {
                    tracing::error!(consumer = %self.consumer.name, %error, "sealing a position failed");
                    return part.term.written(self.clock.instant(), Err(Failed));
                }
            },
        };
        let next = PositionRecord::new(part.key, write.version, sealed.clone(), self.clock.now());
        let swapped = self.store.compare_and_swap_position(write.expected, next);
        let swapped = self.alongside(part, swapped).await;
        let outcome =
            self.outcome("writing the position of a consumer failed", swapped).map(|swap| match swap {
                PositionSwap::Stored => Written::Stored,
                PositionSwap::Conflict(_) => Written::Conflict,
                PositionSwap::NotFound => Written::NotFound,
            });
        if outcome == Ok(Written::NotFound) && write.expected.is_some() {
            tracing::warn!(consumer = %self.consumer.name, "the store has lost the position of a consumer, which writes it again");
            self.status.position_missing();
        }
        if matches!(outcome, Err(Failed) | Ok(Written::NotFound)) {
            part.sealed = Some((write.version, sealed));
        }
        part.term.written(self.clock.instant(), outcome);
    }

    async fn release(&self, part: &mut Part) {
        let released = self.store.release_lease(LeaseName::Consumer(part.key), part.holder).await;
        // It expires by itself.
        let _ = self.outcome("releasing the lease of a consumer failed", released);
        part.term.released();
    }

    fn outcome<T>(&self, what: &'static str, result: Result<T, StoreError>) -> Result<T, Failed> {
        result.map_err(|error| {
            tracing::warn!(consumer = %self.consumer.name, error = %ErrorChain(&error), "{what}");
            self.status.troubled(ConsumerProblem::Store);
            Failed
        })
    }
}

/// Polls the work of a term, but never at or after the deadline: a process that was paused must not go on.
async fn poll_before(deadline: Option<Instant>, work: &mut Option<Work>, clock: &Clock) -> Ended {
    let ended = std::future::poll_fn(|context| {
        let is_over = deadline.is_none_or(|deadline| clock.instant() >= deadline);
        match work {
            Some(work) if !is_over => work.as_mut().poll(context),
            // The deadline ends the wait, too.
            _ => Poll::Pending,
        }
    })
    .await;
    *work = None;
    ended
}

fn new_holder() -> Option<LeaseHolder> {
    let holder = random::bytes().ok().map(|bytes| LeaseHolder(u128::from_be_bytes(bytes)));
    if holder.is_none() {
        tracing::error!("the operating system returned no random bytes");
    }
    holder
}

fn problem_of(error: &Error) -> ConsumerProblem {
    match error {
        Error::Events(error) => match error.rejected().map(|call| call.status()).as_deref() {
            Some("Unauthenticated") => ConsumerProblem::ServiceUser,
            Some(_) => ConsumerProblem::Rejected,
            None => ConsumerProblem::Unreadable,
        },
        Error::LoginRequired | Error::ServiceUser(_) | Error::OrgNotAllowed => ConsumerProblem::ServiceUser,
        error if error.is_transient() => ConsumerProblem::Unreachable,
        _ => ConsumerProblem::ServiceUser,
    }
}
