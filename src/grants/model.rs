//! A model check of the refresh: every interleaving of two processes, a store with leases and markers, and a Salesforce
//! that rotates tokens, up to a bound on the number of faults. The decisions are the real ones ([`RefreshState`],
//! [`StoredVersion`], [`after_failure`]). The I/O between them is modelled, in the same steps as in `refresh.rs`,
//! `in_flight.rs` and `pending_write.rs`.
//!
//! It visits all interleavings, unlike a run of random schedules. Mutations of the model test that the check would find
//! an error. (`loom` or `shuttle` on `entry.rs` would add nothing: each of its methods locks once, never across an
//! `await`, so threads interleave only between its calls, as they do here. Its `watch` channel is tokio's, which tests it
//! with `loom`.)

use std::time::{Duration, Instant};

use super::{
    refresh_policy::{Attempts, Failure, NextStep, after_failure},
    refresh_state::{Decision, Outcome, RefreshState, StoredVersion},
};
use crate::store::GrantVersion;

mod explore;
mod faults;
mod mutations;

use mutations::Mutation;

/// How much longer a refresh may send requests: always enough.
const LEFT: Duration = Duration::from_secs(9);
const COOL_DOWN: Duration = Duration::from_secs(2);
const EPOCH: u64 = 7;
const REVISIONS: usize = 8;

fn version(revision: u64) -> GrantVersion {
    GrantVersion { epoch: EPOCH, revision }
}

/// The progress of a process's refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Task {
    Idle,
    /// Waits for the lease.
    Lease(GrantVersion),
    /// Has the lease. Writes the marker, or waits for another process whose marker it finds.
    Mark(GrantVersion),
    /// Reads the stored version.
    Read(GrantVersion),
    /// Sends the token, after these attempts.
    Send(GrantVersion, Attempts),
    /// Reads the stored version before it sends the token again.
    ReadAgain(GrantVersion, Attempts),
    /// Salesforce rejected the token.
    Refused(GrantVersion),
    /// Stores the new tokens.
    Write(GrantVersion),
    /// Publishes the outcome. Then another refresh may start while this one still has to release its lease.
    Publish(GrantVersion, Outcome),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Process {
    refresh_state: RefreshState,
    task: Task,
    /// The holder of the lease. Each refresh has a new one, unless it shares that of a pending write.
    holder: u8,
    /// Leases that are still to be released.
    releasing: Vec<u8>,
    /// Versions whose successor is not stored yet.
    pending_writes: Vec<GrantVersion>,
    /// The version whose token is in doubt, as far as this process knows.
    in_doubt: Option<GrantVersion>,
    /// How often the process was started.
    life: u8,
    /// A user logged out here.
    logged_out: bool,
}

impl Process {
    fn new(stored: Option<GrantVersion>, holder: u8, life: u8) -> Self {
        let mut refresh_state = RefreshState::new();
        if let Some(stored) = stored {
            refresh_state.adopt(stored);
        }
        let (releasing, pending_writes) = (Vec::new(), Vec::new());
        Self {
            refresh_state,
            task: Task::Idle,
            holder,
            releasing,
            pending_writes,
            in_doubt: None,
            life,
            logged_out: false,
        }
    }

    /// Returns true if this process may still store the successor of this version, or end the grant.
    fn is_at(&self, version: GrantVersion) -> bool {
        // A refresh that reads may send next.
        let sends = match self.task {
            Task::Read(from)
            | Task::Send(from, _)
            | Task::ReadAgain(from, _)
            | Task::Refused(from)
            | Task::Write(from) => from == version,
            _ => false,
        };
        sends || self.pending_writes.contains(&version)
    }
}

/// How a step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Well,
    Badly,
    /// Salesforce processes the request, and its response is lost.
    ResponseLost,
}

/// The marker on a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Marked {
    /// This process, in this one of its lives, is about to send the token.
    By(usize, u8),
    InDoubt,
}

/// How many faults may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct FaultBudget {
    /// Requests whose token is rejected.
    rejections: u8,
    logouts: u8,
    /// The token endpoint responds without processing the request.
    failures: u8,
    lost_responses: u8,
    /// A lease expires while its holder still works.
    lost_leases: u8,
    /// A write fails and becomes a pending write.
    failed_writes: u8,
    /// A process does not wait any longer for another live process.
    impatience: u8,
    /// A refresh is interrupted; its process continues.
    cancellations: u8,
    crashes: u8,
    /// The store falls back to the state before the last write, as after a failover. Leases and markers are lost too.
    fall_backs: u8,
    clock: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    processes: [Process; 2],
    stored: Option<GrantVersion>,
    lease: Option<(usize, u8)>,
    /// By revision.
    markers: [Option<Marked>; REVISIONS],
    /// By revision: the process that sent a token in doubt, and until when no other process may.
    retry_slots: [Option<(usize, Instant)>; REVISIONS],
    /// The revision whose refresh token is valid; `None`: Salesforce has revoked the token family.
    valid: Option<u64>,
    /// The newest revision that Salesforce issued.
    newest: u64,
    logged_out: bool,
    now: Instant,
    budget: FaultBudget,
    /// By revision: how often its token was processed since the clock last moved, which it does by a cool-down.
    sent_now: [u8; REVISIONS],
    /// By revision: how often its token was sent after it was used.
    sent_used: [u8; REVISIONS],
    /// By revision: how many faults happened after which its token may be used without all processes knowing. Each allows
    /// one such request.
    faults: [u8; REVISIONS],
    /// Those of them that are not lost responses.
    blind: [u8; REVISIONS],
    mutation: Option<Mutation>,
}

type Checked = Result<(), String>;

impl World {
    fn new(budget: FaultBudget, mutation: Option<Mutation>) -> Self {
        let process = Process::new(Some(version(0)), 0, 0);
        Self {
            processes: [process.clone(), process],
            stored: Some(version(0)),
            lease: None,
            markers: [None; REVISIONS],
            retry_slots: [None; REVISIONS],
            valid: Some(0),
            newest: 0,
            logged_out: false,
            now: Instant::now(),
            budget,
            sent_now: [0; REVISIONS],
            sent_used: [0; REVISIONS],
            faults: [0; REVISIONS],
            blind: [0; REVISIONS],
            mutation,
        }
    }

    fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Returns every world that can come next.
    fn next(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self) -> bool| {
            let mut world = self.clone();
            if change(&mut world) && world != *self {
                worlds.push(world);
            }
        };
        for p in [0, 1] {
            with(&|world| world.reject(p));
            for how in [How::Well, How::Badly, How::ResponseLost] {
                with(&|world| world.step(p, how));
            }
            with(&|world| world.repair(p));
            with(&|world| world.store_pending(p));
            with(&|world| world.release(p));
            with(&|world| world.log_out(p));
            with(&|world| world.cancel(p));
            with(&|world| world.crash(p));
        }
        with(&Self::lease_ends);
        with(&Self::fall_back);
        with(&Self::lose_lease);
        with(&|world| {
            world.now += COOL_DOWN;
            world.sent_now = [0; REVISIONS];
            spend(&mut world.budget.clock)
        });
        worlds
    }

    /// Salesforce rejects a request of this process that used the newest token it knows.
    fn reject(&mut self, p: usize) -> bool {
        let now = self.now;
        let process = &mut self.processes[p];
        let Some(used) = process.refresh_state.current() else { return false };
        if !spend(&mut self.budget.rejections) {
            return false;
        }
        if process.refresh_state.decide(used, now) == Decision::Start {
            process.task = Task::Lease(used);
            if process.pending_writes.is_empty() {
                process.holder += 1;
            }
        }
        true
    }

    fn step(&mut self, p: usize, how: How) -> bool {
        let goes_wrong = how != How::Well;
        if how == How::ResponseLost && !matches!(self.processes[p].task, Task::Send(..)) {
            return false;
        }
        let me = (p, self.processes[p].holder);
        let next = match self.processes[p].task {
            Task::Lease(from) if self.has(Mutation::NoLease) => Task::Mark(from),
            Task::Lease(from) if self.lease.is_none_or(|holder| holder == me) => {
                self.lease = Some(me);
                Task::Mark(from)
            }
            // Another process has it, and may have stored a newer version.
            Task::Lease(from) => match StoredVersion::compare(from, self.stored) {
                StoredVersion::SameOrOlder => return false,
                seen => Task::Publish(from, self.outcome(seen)),
            },
            Task::Read(from) if self.has(Mutation::NoSecondRead) => self.first_send(p, from),
            Task::Read(from) => match StoredVersion::compare(from, self.stored) {
                StoredVersion::SameOrOlder => self.first_send(p, from),
                seen => Task::Publish(from, self.outcome(seen)),
            },
            Task::Mark(from) => return self.mark(p, from, goes_wrong),
            Task::Send(from, attempts) => return self.send(p, from, attempts, how),
            Task::ReadAgain(from, attempts) => match StoredVersion::compare(from, self.stored) {
                StoredVersion::SameOrOlder => Task::Send(from, attempts),
                seen => Task::Publish(from, self.outcome(seen)),
            },
            Task::Refused(from) => match StoredVersion::compare(from, self.stored) {
                StoredVersion::Newer => Task::Publish(from, self.outcome(StoredVersion::Newer)),
                StoredVersion::Missing | StoredVersion::SameOrOlder => {
                    if self.stored == Some(from) {
                        self.stored = None;
                    }
                    Task::Publish(from, Outcome::Ended)
                }
            },
            Task::Write(from) if goes_wrong => {
                if !spend(&mut self.budget.failed_writes) {
                    return false;
                }
                if self.has(Mutation::NoLeaseForPendingWrites) {
                    self.remove_marker(p, from);
                } else {
                    self.processes[p].pending_writes.push(from);
                }
                self.processes[p].task = Task::Publish(from, Outcome::NewVersion(from.next()));
                return true;
            }
            Task::Write(from) => {
                let outcome = self.write(from);
                Task::Publish(from, outcome)
            }
            Task::Publish(from, outcome) => {
                self.publish(p, from, outcome);
                Task::Idle
            }
            Task::Idle => return false,
        };
        if let Task::Publish(from, _) = next {
            self.remove_marker(p, from);
        }
        self.processes[p].task = next;
        !goes_wrong
    }

    fn remove_marker(&mut self, p: usize, from: GrantVersion) {
        let marker = &mut self.markers[slot(from)];
        if *marker == Some(Marked::By(p, self.processes[p].life)) {
            *marker = None;
        }
    }

    /// Returns true if this process may send a token in doubt.
    fn take_retry_slot(&mut self, p: usize, from: GrantVersion) -> bool {
        let (now, slot) = (self.now, &mut self.retry_slots[slot(from)]);
        if slot.is_some_and(|(other, until)| other != p && until > now) {
            return false;
        }
        *slot = Some((p, now + COOL_DOWN));
        true
    }

    fn mark(&mut self, p: usize, from: GrantVersion, impatient: bool) -> bool {
        let me = Marked::By(p, self.processes[p].life);
        let found = self.markers[slot(from)];
        if impatient && !matches!(found, Some(Marked::By(..))) {
            return false;
        }
        match found {
            Some(Marked::By(owner, life))
                if found != Some(me)
                    && !matches!(self.mutation, Some(Mutation::NoMarker | Mutation::NoLease)) =>
            {
                let lives = self.processes[owner].life == life && self.processes[owner].is_at(from);
                if impatient {
                    if !lives || !spend(&mut self.budget.impatience) {
                        return false;
                    }
                    self.record_fault(from);
                } else if lives {
                    return false;
                }
                self.processes[p].in_doubt = Some(from);
            }
            Some(Marked::InDoubt) if !self.has(Mutation::ForgetsDoubt) => {
                if !self.take_retry_slot(p, from) {
                    let outcome = match StoredVersion::compare(from, self.stored) {
                        StoredVersion::SameOrOlder => Outcome::Failed { again_in: COOL_DOWN },
                        seen => self.outcome(seen),
                    };
                    self.processes[p].task = Task::Publish(from, outcome);
                    return true;
                }
                self.markers[slot(from)] = Some(me);
                self.processes[p].in_doubt = Some(from);
            }
            _ if impatient => return false,
            _ => self.markers[slot(from)] = Some(me),
        }
        self.processes[p].task = Task::Read(from);
        true
    }

    fn first_send(&self, p: usize, from: GrantVersion) -> Task {
        Task::Send(from, Attempts::first(self.processes[p].in_doubt == Some(from)))
    }

    /// From now on the token of this version may be used without all processes knowing.
    fn record_fault(&mut self, of: GrantVersion) {
        self.faults[slot(of)] += 1;
        self.blind[slot(of)] += 1;
    }

    /// The token endpoint.
    fn send(&mut self, p: usize, from: GrantVersion, attempts: Attempts, how: How) -> bool {
        let valid = self.valid == Some(from.revision);
        let budget = match how {
            How::Well => &mut 1,
            How::Badly => &mut self.budget.failures,
            How::ResponseLost => &mut self.budget.lost_responses,
        };
        if !spend(budget) {
            return false;
        }
        if how != How::Badly {
            self.sent_now[slot(from)] += 1;
            if valid {
                self.newest = from.revision + 1;
                self.valid = Some(self.newest);
            } else {
                self.sent_used[slot(from)] += 1;
                self.valid = None;
            }
        }
        let failure = match how {
            How::Badly => Failure::Retryable,
            How::ResponseLost => Failure::NoResponse,
            How::Well if valid => {
                self.processes[p].task = Task::Write(from);
                return true;
            }
            How::Well => Failure::InvalidGrant,
        };
        if failure.leaves_doubt() {
            self.faults[slot(from)] += 1;
            self.processes[p].in_doubt = Some(from);
        }
        let attempts =
            if self.has(Mutation::RetriesWithoutLimit) { Attempts::first(false) } else { attempts };
        self.processes[p].task = match after_failure(failure, attempts, Duration::ZERO, LEFT, COOL_DOWN) {
            NextStep::EndGrant { .. } => Task::Refused(from),
            NextStep::Retry { attempts, .. } => Task::ReadAgain(from, attempts),
            NextStep::GiveUp { again_in } => {
                let me = Some(Marked::By(p, self.processes[p].life));
                if self.processes[p].in_doubt != Some(from) {
                    self.remove_marker(p, from);
                } else {
                    self.take_retry_slot(p, from);
                    if [None, me].contains(&self.markers[slot(from)]) {
                        self.markers[slot(from)] = Some(Marked::InDoubt);
                    }
                }
                Task::Publish(from, Outcome::Failed { again_in })
            }
        };
        true
    }

    /// Stores the version after `from`.
    fn write(&mut self, from: GrantVersion) -> Outcome {
        let next = from.next();
        match StoredVersion::compare(next, self.stored) {
            StoredVersion::Missing if !self.has(Mutation::BlindWrite) => Outcome::Ended,
            StoredVersion::Newer => self.outcome(StoredVersion::Newer),
            StoredVersion::SameOrOlder | StoredVersion::Missing => {
                self.stored = Some(next);
                Outcome::NewVersion(next)
            }
        }
    }

    fn publish(&mut self, p: usize, from: GrantVersion, outcome: Outcome) {
        let blindly = self.has(Mutation::PublishesBlindly);
        let process = &mut self.processes[p];
        let holder = process.holder;
        let counts = process.refresh_state.finished(from, outcome, self.now);
        if let (Outcome::NewVersion(version), false, true) = (outcome, counts, blindly) {
            process.refresh_state.adopt(version);
        }
        if process.pending_writes.is_empty() {
            process.releasing.push(holder);
        }
    }

    fn store_pending(&mut self, p: usize) -> bool {
        let Some(from) = self.processes[p].pending_writes.first().copied() else { return false };
        let outcome = self.write(from);
        let process = &mut self.processes[p];
        process.pending_writes.remove(0);
        match outcome {
            Outcome::NewVersion(version)
                if process.refresh_state.current().is_some_and(|current| version.is_after(current)) =>
            {
                process.refresh_state.adopt(version);
            }
            Outcome::Ended if process.refresh_state.current() == Some(from.next()) => {
                process.refresh_state.end()
            }
            _ => {}
        }
        // A running refresh shares the lease, and releases it.
        if process.pending_writes.is_empty() && process.task == Task::Idle {
            process.releasing.push(process.holder);
        }
        self.remove_marker(p, from);
        true
    }

    fn release(&mut self, p: usize) -> bool {
        let Some(holder) = self.processes[p].releasing.pop() else { return false };
        if self.lease == Some((p, holder)) {
            self.lease = None;
        }
        true
    }

    fn outcome(&self, stored: StoredVersion) -> Outcome {
        match (stored, self.stored) {
            (StoredVersion::Newer, Some(stored)) => Outcome::NewVersion(stored),
            _ => Outcome::Ended,
        }
    }

    fn log_out(&mut self, p: usize) -> bool {
        if self.stored.is_none() || !spend(&mut self.budget.logouts) {
            return false;
        }
        self.stored = None;
        self.logged_out = true;
        self.processes[p].refresh_state.end();
        self.processes[p].logged_out = true;
        true
    }

    /// A lease expires that its holder does not renew any more.
    fn lease_ends(&mut self) -> bool {
        let is_left = |(p, holder): (usize, u8)| !self.needs_lease(p, holder);
        self.lease.is_some_and(is_left) && self.lease.take().is_some()
    }

    fn needs_lease(&self, p: usize, holder: u8) -> bool {
        let process = &self.processes[p];
        let busy = process.task != Task::Idle || !process.pending_writes.is_empty();
        process.releasing.contains(&holder) || (busy && process.holder == holder)
    }

    /// The invariants.
    fn check(&self) -> Checked {
        let promise =
            |holds: bool, promise: &str| if holds { Ok(()) } else { Err(format!("{promise}: {self:?}")) };
        for revision in 0..REVISIONS {
            // The newest token is revoked with its family, which a process learns by sending it.
            let ended = u8::from(self.valid.is_none() && self.newest == revision as u64);
            let allowed = self.faults[revision] + ended;
            promise(
                self.sent_used[revision] <= allowed,
                "a used token is sent again at most once per fault",
            )?;
            let allowed = 2 + self.blind[revision];
            promise(
                self.sent_now[revision] <= allowed,
                "a token in doubt is sent at most once per cool-down",
            )?;
        }
        if self.faults == [0; REVISIONS] {
            let sends = |process: &&Process| {
                matches!(process.task, Task::Send(..) | Task::ReadAgain(..) | Task::Write(_))
            };
            let sending = self.processes.iter().filter(sends).count();
            promise(sending <= 1, "one refresh at a time over all processes")?;
            promise(self.valid.is_some(), "no login is ended by this crate")?;
        }
        promise(!self.logged_out || self.stored.is_none(), "a deleted grant never comes back")?;
        for process in &self.processes {
            let ended = process.refresh_state.current().is_none();
            promise(!process.logged_out || ended, "a process uses no token after a logout")?;
        }
        Ok(())
    }

    /// Returns true if no work is in progress.
    fn is_quiet(&self) -> bool {
        let is_quiet = |process: &Process| {
            process.task == Task::Idle && process.releasing.is_empty() && process.pending_writes.is_empty()
        };
        self.processes.iter().all(is_quiet)
    }

    /// Returns true if some work in progress can continue without a further fault.
    fn can_continue(&self) -> bool {
        let can = |change: &dyn Fn(&mut Self) -> bool| change(&mut self.clone());
        let some = |p| {
            can(&|world| world.step(p, How::Well)) || can(&|world| world.store_pending(p) || world.release(p))
        };
        some(0) || some(1) || can(&Self::lease_ends)
    }
}

fn slot(version: GrantVersion) -> usize {
    usize::try_from(version.revision).unwrap()
}

fn spend(budget: &mut u8) -> bool {
    let some = *budget > 0;
    *budget = budget.saturating_sub(1);
    some
}
