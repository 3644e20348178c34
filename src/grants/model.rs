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
mod marks;
mod mutations;
mod steps;

use mutations::Mutation;

/// How much longer a refresh may send requests: always enough.
const LEFT: Duration = Duration::from_secs(9);
const COOL_DOWN: Duration = Duration::from_secs(2);
/// How many cool-downs a version rests whose new access token was rejected.
const REST: u8 = 2;
const EPOCH: u64 = 7;
/// What stays of a refused grant: a version that no process refreshes.
const BROKEN: GrantVersion = GrantVersion { epoch: 8, revision: 0 };
/// The grant of the next login of the user. Its own refreshes are not modelled.
const NEXT_LOGIN: GrantVersion = GrantVersion { epoch: 9, revision: 0 };
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
    /// Sends the token to another host, because the login host redirected the request without processing it.
    SendElsewhere(GrantVersion, Attempts),
    /// Reads the stored version before it sends the token again.
    ReadAgain(GrantVersion, Attempts),
    /// Salesforce rejected the token.
    Refused(GrantVersion),
    /// No other process has refreshed the grant: takes its tokens from it.
    Break(GrantVersion),
    /// Stores the new tokens.
    Write(GrantVersion),
    /// Stores a new refresh token that came without a usable access token. The refresh fails.
    WriteUnusable(GrantVersion),
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
    /// The revision whose new access token was rejected, as far as this process knows, and how many cool-downs it rests.
    rejected: Option<(u64, u8)>,
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
            rejected: None,
            life,
            logged_out: false,
        }
    }

    /// Returns true if this process knows that the new access token of this version was rejected.
    fn rests(&self, version: GrantVersion) -> bool {
        self.rejected.is_some_and(|(revision, _)| version.epoch == EPOCH && version.revision == revision)
    }

    /// Returns true if this process may still store the successor of this version, or end the grant.
    fn is_at(&self, version: GrantVersion) -> bool {
        // A refresh that reads may send next.
        let sends = match self.task {
            Task::Read(from)
            | Task::Send(from, _)
            | Task::SendElsewhere(from, _)
            | Task::ReadAgain(from, _)
            | Task::Refused(from)
            | Task::Break(from)
            | Task::Write(from)
            | Task::WriteUnusable(from) => from == version,
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
    /// Salesforce processes the request, and nothing of its response is usable but the new refresh token.
    Unusable,
    /// The login host redirects the request, and does not process it.
    Redirected,
}

/// The marker on a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Marked {
    /// This process, in this one of its lives, is about to send the token.
    By(usize, u8),
    InDoubt,
    /// Its access token was rejected although it was new.
    Rejected,
}

/// How many faults may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct FaultBudget {
    /// Requests whose token is rejected.
    rejections: u8,
    /// Requests whose token is rejected although it is new.
    new_rejections: u8,
    logouts: u8,
    /// The user logs in again.
    logins: u8,
    /// An owner of the app connects the user.
    connects: u8,
    /// An owner ends its connection.
    disconnects: u8,
    /// Salesforce refuses the grant for good, whatever its token: the user is inactive.
    refusals: u8,
    /// The token endpoint responds without processing the request.
    failures: u8,
    lost_responses: u8,
    unusable_responses: u8,
    redirects: u8,
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
    /// By revision: the process, in this one of its lives, that sent a token in doubt or found it rejected, and for how
    /// many cool-downs no other process may send it.
    retry_slots: [Option<(u8, u8, u8)>; REVISIONS],
    /// By revision: how many cool-downs the version rests, according to the store.
    rests: [u8; REVISIONS],
    /// The revision whose refresh token is valid; `None`: Salesforce has revoked the token family.
    valid: Option<u64>,
    /// The newest revision that Salesforce issued.
    newest: u64,
    logged_out: bool,
    /// Salesforce refuses each token from now on.
    refused: bool,
    /// The grant was found refused and taken its tokens.
    broken: bool,
    has_logged_in: bool,
    /// A login uses the grant.
    has_login: bool,
    /// An owner uses the grant.
    has_owner: bool,
    now: Instant,
    budget: FaultBudget,
    /// By revision: how often its token was processed since the clock last moved, which it does by a cool-down.
    sent_now: [u8; REVISIONS],
    /// By revision: how often its token was sent after it was used.
    sent_used: [u8; REVISIONS],
    /// By revision: how often its token was sent while the version rested.
    sent_resting: [u8; REVISIONS],
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
            rests: [0; REVISIONS],
            valid: Some(0),
            newest: 0,
            logged_out: false,
            refused: false,
            broken: false,
            has_logged_in: false,
            has_login: true,
            has_owner: false,
            now: Instant::now(),
            budget,
            sent_now: [0; REVISIONS],
            sent_used: [0; REVISIONS],
            sent_resting: [0; REVISIONS],
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
            with(&|world| world.reject_new(p));
            for how in [How::Well, How::Badly, How::ResponseLost, How::Unusable, How::Redirected] {
                with(&|world| world.step(p, how));
            }
            with(&|world| world.repair(p));
            with(&|world| world.store_pending(p));
            with(&|world| world.release(p));
            with(&|world| world.log_out(p));
            with(&|world| world.log_in(p));
            with(&|world| world.connect(p));
            with(&|world| world.disconnect(p));
            with(&|world| world.cancel(p));
            with(&|world| world.crash(p));
        }
        with(&Self::lease_ends);
        with(&Self::refuse);
        with(&Self::fall_back);
        with(&Self::lose_lease);
        with(&|world| {
            world.now += COOL_DOWN;
            world.sent_now = [0; REVISIONS];
            world.pass_cool_down();
            spend(&mut world.budget.clock)
        });
        worlds
    }

    /// Checks the promises.
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
            promise(
                self.sent_resting[revision] <= self.blind[revision],
                "a version whose new token was rejected rests",
            )?;
        }
        if self.faults == [0; REVISIONS] {
            let sends = |process: &&Process| {
                matches!(
                    process.task,
                    Task::Send(..)
                        | Task::SendElsewhere(..)
                        | Task::ReadAgain(..)
                        | Task::Write(_)
                        | Task::WriteUnusable(_)
                )
            };
            let sending = self.processes.iter().filter(sends).count();
            promise(sending <= 1, "one refresh at a time over all processes")?;
            promise(self.valid.is_some() || self.refused, "no login is ended by this crate")?;
        }
        promise(!self.logged_out || self.stored.is_none(), "a deleted grant never comes back")?;
        let has_former = self.stored.is_some_and(|stored| stored.epoch == EPOCH);
        promise(!self.broken || !has_former, "a broken grant never comes back")?;
        let holds_next = self.logged_out || self.stored == Some(NEXT_LOGIN);
        promise(!self.has_logged_in || holds_next, "the next login is never broken")?;
        promise(!self.has_owner || self.stored.is_some(), "a grant that an owner uses is never deleted")?;
        let is_used = self.has_login || self.has_owner || self.broken;
        promise(is_used || self.stored.is_none(), "a grant that nothing uses is deleted")?;
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
