//! A model check of the refresh: every interleaving of two processes, a store with leases and notes, and a Salesforce that
//! rotates tokens, up to a bound on what goes wrong. The decisions are the real ones ([`Machine`], [`Stored`]); the I/O
//! between them is the model's, step by step as `refresh.rs`, `note.rs` and `hold.rs` do it.
//!
//! It looks at all of them, not at some: that is why it is here, and not a run of random schedules. That it would find a
//! mistake is tested too, with mistakes. (Nor `loom` or `shuttle` on `cell.rs`: each of its methods takes its lock once,
//! never across an await, so that threads interleave between its calls only, which is what this does. Its `watch` channel is
//! tokio's, which is checked there.)

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::{
    Version,
    machine::{Machine, Need, Outcome, Stored},
};

mod mistakes;

use mistakes::Mistake;

const COOL_DOWN: Duration = Duration::from_secs(2);
const LINEAGE: u64 = 7;
const REVISIONS: usize = 8;

fn version(revision: u64) -> Version {
    Version { lineage: LINEAGE, revision }
}

/// Where a process's refresh is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Task {
    Idle,
    /// It wants the lease.
    Lease(Version),
    /// It has it, and notes that it is about to send the token, or waits for another process whose note it finds.
    Note(Version),
    /// It reads what is stored.
    Read(Version),
    /// It asks Salesforce; `true`: after an answer was lost, in this refresh or an earlier one.
    Ask(Version, bool),
    /// Salesforce refused the token.
    Refused(Version),
    /// Salesforce gave new tokens, which are to be stored.
    Write(Version),
    /// The outcome is to be published. After that another refresh may begin, while this one still has to give its lease
    /// back.
    Publish(Version, Outcome),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Process {
    machine: Machine,
    task: Task,
    /// Each refresh holds the lease in a name of its own, unless it shares that of what is held.
    holder: u8,
    /// Leases that are still to be given back.
    releasing: Vec<u8>,
    /// Versions from which a new one was made that is not stored yet.
    held: Vec<Version>,
    /// The version that was sent, and no answer came.
    lost: Option<Version>,
    /// How often it was started.
    life: u8,
    /// Somebody logged out here.
    logged_out: bool,
}

impl Process {
    fn new(stored: Option<Version>, holder: u8, life: u8) -> Self {
        let mut machine = Machine::new();
        if let Some(stored) = stored {
            machine.adopt(stored);
        }
        let (releasing, held) = (Vec::new(), Vec::new());
        Self { machine, task: Task::Idle, holder, releasing, held, lost: None, life, logged_out: false }
    }

    /// Whether a new token for this version may still come from here.
    fn is_at(&self, version: Version) -> bool {
        // One that reads may ask next.
        let asks =
            [Task::Read(version), Task::Ask(version, false), Task::Ask(version, true), Task::Write(version)];
        asks.contains(&self.task) || self.held.contains(&version)
    }
}

/// How much may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Budget {
    needs: u8,
    logouts: u8,
    /// The token endpoint answers and did nothing.
    failures: u8,
    lost_answers: u8,
    /// A lease ends while its holder still works.
    lost_leases: u8,
    /// A write fails, so that the new token is held.
    failed_writes: u8,
    /// Someone waits no longer for a process that lives.
    impatience: u8,
    /// A refresh ends in the middle, its process goes on.
    cancellations: u8,
    crashes: u8,
    clock: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    processes: [Process; 2],
    stored: Option<Version>,
    lease: Option<(usize, u8)>,
    /// By revision: which process, in which of its lives, was about to send the token.
    notes: [Option<(usize, u8)>; REVISIONS],
    /// The revision whose refresh token is good; `None`: Salesforce has ended the family.
    good: Option<u64>,
    /// A spent token was presented.
    reused: bool,
    logged_out: bool,
    now: Instant,
    budget: Budget,
    /// Something happened after which a token may have been spent without anyone knowing.
    excused: bool,
    mistake: Option<Mistake>,
}

type Checked = Result<(), String>;

impl World {
    fn new(budget: Budget, mistake: Option<Mistake>) -> Self {
        let process = Process::new(Some(version(0)), 0, 0);
        Self {
            processes: [process.clone(), process],
            stored: Some(version(0)),
            lease: None,
            notes: [None; REVISIONS],
            good: Some(0),
            reused: false,
            logged_out: false,
            now: Instant::now(),
            budget,
            excused: false,
            mistake,
        }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// Every world that can come next.
    fn next(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self) -> bool| {
            let mut world = self.clone();
            if change(&mut world) && world != *self {
                worlds.push(world);
            }
        };
        for p in [0, 1] {
            with(&|world| world.need(p));
            with(&|world| world.step(p, false));
            with(&|world| world.step(p, true));
            with(&|world| world.store_held(p));
            with(&|world| world.release(p));
            with(&|world| world.log_out(p));
            with(&|world| world.cancel(p));
            with(&|world| world.crash(p));
        }
        with(&Self::lease_ends);
        with(&|world| spend(&mut world.budget.lost_leases) && world.lease.take().is_some());
        with(&|world| {
            world.now += COOL_DOWN;
            spend(&mut world.budget.clock)
        });
        worlds
    }

    /// A request of this process was refused with the newest token it knows.
    fn need(&mut self, p: usize) -> bool {
        let now = self.now;
        let process = &mut self.processes[p];
        let Some(used) = process.machine.current() else { return false };
        if !spend(&mut self.budget.needs) {
            return false;
        }
        if process.machine.need(used, now) == Need::Start {
            process.task = Task::Lease(used);
            if process.held.is_empty() {
                process.holder += 1;
            }
        }
        true
    }

    fn step(&mut self, p: usize, goes_wrong: bool) -> bool {
        let me = (p, self.processes[p].holder);
        let next = match self.processes[p].task {
            Task::Lease(from) if self.has(Mistake::NoLease) => Task::Note(from),
            Task::Lease(from) if self.lease.is_none_or(|holder| holder == me) => {
                self.lease = Some(me);
                Task::Note(from)
            }
            // Someone else has it: perhaps they are through.
            Task::Lease(from) => match Stored::seen_from(from, self.stored) {
                Stored::Ours => return false,
                seen => Task::Publish(from, self.outcome(seen)),
            },
            Task::Read(from) if self.has(Mistake::NoSecondLook) => self.first_ask(p, from),
            Task::Read(from) => match Stored::seen_from(from, self.stored) {
                Stored::Ours => self.first_ask(p, from),
                seen => Task::Publish(from, self.outcome(seen)),
            },
            Task::Note(from) => return self.note(p, from, goes_wrong),
            Task::Ask(from, again) => return self.ask(p, from, again, goes_wrong),
            Task::Refused(from) => match Stored::seen_from(from, self.stored) {
                Stored::Theirs => Task::Publish(from, self.outcome(Stored::Theirs)),
                Stored::Gone | Stored::Ours => {
                    if self.stored == Some(from) {
                        self.stored = None;
                    }
                    Task::Publish(from, Outcome::Over)
                }
            },
            Task::Write(from) if goes_wrong => {
                if !spend(&mut self.budget.failed_writes) {
                    return false;
                }
                if self.has(Mistake::HoldsWithoutALease) {
                    self.remove_note(p, from);
                } else {
                    self.processes[p].held.push(from);
                }
                self.processes[p].task = Task::Publish(from, Outcome::Moved(from.next()));
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
            self.remove_note(p, from);
        }
        self.processes[p].task = next;
        !goes_wrong
    }

    fn remove_note(&mut self, p: usize, from: Version) {
        let note = &mut self.notes[slot(from)];
        if *note == Some((p, self.processes[p].life)) {
            *note = None;
        }
    }

    fn note(&mut self, p: usize, from: Version, impatient: bool) -> bool {
        let me = (p, self.processes[p].life);
        let note = &mut self.notes[slot(from)];
        if let Some((owner, life)) = *note
            && (owner, life) != me
            && !matches!(self.mistake, Some(Mistake::NoNote | Mistake::NoLease))
        {
            let lives = self.processes[owner].life == life && self.processes[owner].is_at(from);
            let patient = !(impatient && spend(&mut self.budget.impatience) && excuse(&mut self.excused));
            if lives && patient {
                return false;
            }
        } else if impatient {
            return false;
        } else {
            *note = Some(me);
        }
        self.processes[p].task = Task::Read(from);
        true
    }

    fn first_ask(&self, p: usize, from: Version) -> Task {
        Task::Ask(from, self.processes[p].lost == Some(from))
    }

    /// The token endpoint.
    fn ask(&mut self, p: usize, from: Version, again: bool, goes_wrong: bool) -> bool {
        if goes_wrong && spend(&mut self.budget.failures) {
            self.remove_note(p, from);
            self.processes[p].task = Task::Publish(from, Outcome::Failed { again_in: COOL_DOWN });
            return true;
        }
        let good = self.good == Some(from.revision);
        if good {
            self.good = Some(from.revision + 1);
        } else if self.good.is_some() {
            self.reused = true;
            self.good = None;
        }
        self.processes[p].task = match (goes_wrong, good) {
            (true, _) if !spend(&mut self.budget.lost_answers) => return false,
            (true, _) => {
                excuse(&mut self.excused);
                self.processes[p].lost = Some(from);
                if again {
                    self.remove_note(p, from);
                    Task::Publish(from, Outcome::Failed { again_in: COOL_DOWN })
                } else {
                    Task::Ask(from, true)
                }
            }
            (false, true) => Task::Write(from),
            (false, false) => Task::Refused(from),
        };
        true
    }

    /// Puts the version after `from` in its place.
    fn write(&mut self, from: Version) -> Outcome {
        let next = from.next();
        match Stored::seen_from(next, self.stored) {
            Stored::Gone if !self.has(Mistake::BlindWrite) => Outcome::Over,
            Stored::Theirs => self.outcome(Stored::Theirs),
            Stored::Ours | Stored::Gone => {
                self.stored = Some(next);
                Outcome::Moved(next)
            }
        }
    }

    fn publish(&mut self, p: usize, from: Version, outcome: Outcome) {
        let blindly = self.has(Mistake::PublishesBlindly);
        let process = &mut self.processes[p];
        let holder = process.holder;
        let counts = process.machine.finished(from, outcome, self.now);
        if let (Outcome::Moved(version), false, true) = (outcome, counts, blindly) {
            process.machine.adopt(version);
        }
        if process.held.is_empty() {
            process.releasing.push(holder);
        }
    }

    fn store_held(&mut self, p: usize) -> bool {
        let Some(from) = self.processes[p].held.first().copied() else { return false };
        let outcome = self.write(from);
        let process = &mut self.processes[p];
        process.held.remove(0);
        match outcome {
            Outcome::Moved(version)
                if process.machine.current().is_some_and(|current| version.is_after(current)) =>
            {
                process.machine.adopt(version);
            }
            Outcome::Over if process.machine.current() == Some(from.next()) => process.machine.end(),
            _ => {}
        }
        // A refresh that is under way shares the lease, and gives it back.
        if process.held.is_empty() && process.task == Task::Idle {
            process.releasing.push(process.holder);
        }
        self.remove_note(p, from);
        true
    }

    fn release(&mut self, p: usize) -> bool {
        let Some(holder) = self.processes[p].releasing.pop() else { return false };
        if self.lease == Some((p, holder)) {
            self.lease = None;
        }
        true
    }

    fn outcome(&self, seen: Stored) -> Outcome {
        match (seen, self.stored) {
            (Stored::Theirs, Some(stored)) => Outcome::Moved(stored),
            _ => Outcome::Over,
        }
    }

    fn log_out(&mut self, p: usize) -> bool {
        if self.stored.is_none() || !spend(&mut self.budget.logouts) {
            return false;
        }
        self.stored = None;
        self.logged_out = true;
        self.processes[p].machine.end();
        self.processes[p].logged_out = true;
        true
    }

    /// A refresh ends in the middle, as by a panic. Its lease stays behind.
    fn cancel(&mut self, p: usize) -> bool {
        let process = &mut self.processes[p];
        let (Task::Lease(from)
        | Task::Read(from)
        | Task::Note(from)
        | Task::Ask(from, _)
        | Task::Write(from)) = process.task
        else {
            return false;
        };
        if !spend(&mut self.budget.cancellations) {
            return false;
        }
        if process.is_at(from) {
            excuse(&mut self.excused);
        }
        process.machine.finished(from, Outcome::Failed { again_in: COOL_DOWN }, self.now);
        process.task = Task::Idle;
        self.remove_note(p, from);
        true
    }

    /// The process dies and starts again.
    fn crash(&mut self, p: usize) -> bool {
        if !spend(&mut self.budget.crashes) {
            return false;
        }
        let Process { holder, life, .. } = self.processes[p];
        self.processes[p] = Process::new(self.stored, holder, life + 1);
        excuse(&mut self.excused)
    }

    /// A lease that nobody renews any more ends.
    fn lease_ends(&mut self) -> bool {
        let is_left = |(p, holder): (usize, u8)| !self.needs_lease(p, holder);
        self.lease.is_some_and(is_left) && self.lease.take().is_some()
    }

    fn needs_lease(&self, p: usize, holder: u8) -> bool {
        let process = &self.processes[p];
        let busy = process.task != Task::Idle || !process.held.is_empty();
        process.releasing.contains(&holder) || (busy && process.holder == holder)
    }

    /// The invariants.
    fn check(&self) -> Checked {
        let promise =
            |holds: bool, promise: &str| if holds { Ok(()) } else { Err(format!("{promise}: {self:?}")) };
        if !self.excused {
            promise(!self.reused, "a spent token is never sent again")?;
            let asks = |process: &&Process| matches!(process.task, Task::Ask(..) | Task::Write(_));
            let asking = self.processes.iter().filter(asks).count();
            promise(asking <= 1, "one refresh at a time over all processes")?;
            promise(self.good.is_some(), "nobody is logged out by our doing")?;
        }
        promise(!self.logged_out || self.stored.is_none(), "what was logged out never comes back")?;
        for process in &self.processes {
            let over = process.machine.current().is_none();
            promise(!process.logged_out || over, "where somebody logged out nothing is used any more")?;
        }
        Ok(())
    }

    /// Nothing is under way: everyone was answered.
    fn is_quiet(&self) -> bool {
        let is_quiet = |process: &Process| {
            process.task == Task::Idle && process.releasing.is_empty() && process.held.is_empty()
        };
        self.processes.iter().all(is_quiet)
    }

    /// Whoever is under way can go on, without any further mishap.
    fn goes_on(&self) -> bool {
        let can = |change: &dyn Fn(&mut Self) -> bool| change(&mut self.clone());
        let some =
            |p| can(&|world| world.step(p, false)) || can(&|world| world.store_held(p) || world.release(p));
        some(0) || some(1) || can(&Self::lease_ends)
    }
}

fn slot(version: Version) -> usize {
    usize::try_from(version.revision).unwrap()
}

fn spend(budget: &mut u8) -> bool {
    let some = *budget > 0;
    *budget = budget.saturating_sub(1);
    some
}

fn excuse(excused: &mut bool) -> bool {
    *excused = true;
    true
}

/// Visits every world, and gives how many there are, or the first promise that one of them breaks.
fn explore(budget: Budget, mistake: Option<Mistake>) -> Result<usize, String> {
    let start = World::new(budget, mistake);
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(world) = open.pop() {
        world.check()?;
        if !world.is_quiet() && !world.goes_on() {
            return Err(format!("nobody is left waiting: {world:?}"));
        }
        for next in world.next() {
            if let (Some(before), Some(after)) = (world.stored, next.stored)
                && before.is_after(after)
            {
                return Err(format!("what is stored never goes back: {next:?}"));
            }
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    Ok(seen.len())
}

const CALM: Budget = Budget {
    needs: 4,
    logouts: 0,
    failures: 0,
    lost_answers: 0,
    lost_leases: 0,
    failed_writes: 0,
    impatience: 0,
    cancellations: 0,
    crashes: 0,
    clock: 0,
};

#[test]
fn two_processes_never_spend_a_token_twice() {
    assert!(explore(Budget { needs: 5, failures: 1, clock: 1, ..CALM }, None).unwrap() > 1_000);
}

/// A store that goes away for longer than a lease lasts.
#[test]
fn an_outage_of_the_store_spends_no_token_twice() {
    assert!(explore(Budget { failed_writes: 2, lost_leases: 2, ..CALM }, None).unwrap() > 10_000);
}

#[test]
fn a_logout_at_any_moment_is_final() {
    assert!(explore(Budget { logouts: 1, failures: 1, failed_writes: 1, ..CALM }, None).unwrap() > 1_000);
}

#[test]
fn mishaps_at_any_moment_leave_nobody_waiting_and_revive_nothing() {
    let mishaps = Budget { needs: 3, logouts: 1, lost_leases: 1, clock: 1, ..CALM };
    for mishap in [
        Budget { failures: 1, lost_answers: 1, ..mishaps },
        Budget { crashes: 1, lost_answers: 1, ..mishaps },
        Budget { cancellations: 1, failed_writes: 1, ..mishaps },
        Budget { failed_writes: 1, impatience: 1, crashes: 1, ..mishaps },
    ] {
        assert!(explore(mishap, None).unwrap() > 10_000, "{mishap:?}");
    }
}
