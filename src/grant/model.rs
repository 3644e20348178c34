//! A model check of the refresh: every interleaving of two processes, a store with a lease, and a Salesforce that rotates
//! tokens, up to a bound on what goes wrong. The decisions are the real ones ([`Machine`], [`Stored`]); the I/O between
//! them is the model's, step by step as `refresh.rs` does it.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::{
    Version,
    machine::{Machine, Need, Outcome, Stored},
};

const COOL_DOWN: Duration = Duration::from_secs(2);
const LINEAGE: u64 = 7;

fn version(revision: u64) -> Version {
    Version { lineage: LINEAGE, revision }
}

/// Where a process's refresh is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Task {
    Idle,
    /// It wants the lease.
    Lease(Version),
    /// It has it, and reads what is stored.
    Read(Version),
    /// It asks Salesforce; `true`: once more, after an answer was lost.
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
    /// Each refresh holds the lease in a name of its own.
    holder: u8,
    /// Leases that are still to be given back.
    releasing: Vec<u8>,
}

impl Process {
    fn new(stored: Option<Version>, holder: u8) -> Self {
        let mut machine = Machine::new();
        if let Some(stored) = stored {
            machine.adopt(stored);
        }
        Self { machine, task: Task::Idle, holder, releasing: Vec::new() }
    }
}

/// How much may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Budget {
    needs: u8,
    logouts: u8,
    failures: u8,
    lost_answers: u8,
    lost_leases: u8,
    crashes: u8,
    clock: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    processes: [Process; 2],
    stored: Option<Version>,
    lease: Option<(usize, u8)>,
    /// The revision whose refresh token is good; `None`: Salesforce has ended the family.
    good: Option<u64>,
    /// A spent token was presented.
    reused: bool,
    logged_out: bool,
    now: Instant,
    budget: Budget,
    /// Something happened after which a token may have been spent without anyone knowing.
    excused: bool,
}

impl World {
    fn new(budget: Budget, now: Instant) -> Self {
        let process = Process::new(Some(version(0)), 0);
        Self {
            processes: [process.clone(), process],
            stored: Some(version(0)),
            lease: None,
            good: Some(0),
            reused: false,
            logged_out: false,
            now,
            budget,
            excused: false,
        }
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
            with(&|world| world.release(p));
            with(&|world| world.log_out(p));
            with(&|world| world.crash(p));
        }
        with(&|world| spend(&mut world.budget.lost_leases) && world.lease.take().is_some() && excuse(world));
        with(&|world| {
            world.now += COOL_DOWN;
            spend(&mut world.budget.clock)
        });
        worlds
    }

    /// A request of this process was refused with the newest token it knows.
    fn need(&mut self, p: usize) -> bool {
        let process = &mut self.processes[p];
        let Some(used) = process.machine.current() else { return false };
        if !spend(&mut self.budget.needs) {
            return false;
        }
        if process.machine.need(used, self.now) == Need::Start {
            assert_eq!(process.task, Task::Idle, "one refresh at a time in a process");
            process.task = Task::Lease(used);
            process.holder += 1;
        }
        true
    }

    fn step(&mut self, p: usize, goes_wrong: bool) -> bool {
        let me = (p, self.processes[p].holder);
        let next = match self.processes[p].task {
            Task::Lease(from) if self.lease.is_none_or(|holder| holder == me) => {
                self.lease = Some(me);
                Task::Read(from)
            }
            // Someone else has it: perhaps they are through.
            Task::Lease(from) => match Stored::seen_from(from, self.stored) {
                Stored::Ours => return false,
                seen => Task::Publish(from, self.outcome(seen)),
            },
            Task::Read(from) => match Stored::seen_from(from, self.stored) {
                Stored::Ours => Task::Ask(from, false),
                seen => Task::Publish(from, self.outcome(seen)),
            },
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
            Task::Write(from) => {
                let next = from.next();
                let outcome = match Stored::seen_from(next, self.stored) {
                    Stored::Gone => Outcome::Over,
                    Stored::Ours => {
                        self.stored = Some(next);
                        Outcome::Moved(next)
                    }
                    Stored::Theirs => self.outcome(Stored::Theirs),
                };
                Task::Publish(from, outcome)
            }
            Task::Publish(from, outcome) => {
                let process = &mut self.processes[p];
                process.machine.finished(from, outcome, self.now);
                process.releasing.push(me.1);
                Task::Idle
            }
            Task::Idle => return false,
        };
        self.processes[p].task = next;
        !goes_wrong
    }

    fn release(&mut self, p: usize) -> bool {
        let Some(holder) = self.processes[p].releasing.pop() else { return false };
        if self.lease == Some((p, holder)) {
            self.lease = None;
        }
        true
    }

    /// The token endpoint.
    fn ask(&mut self, p: usize, from: Version, again: bool, goes_wrong: bool) -> bool {
        if goes_wrong && spend(&mut self.budget.failures) {
            // It answers, and did nothing.
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
            (true, _) if again || !spend(&mut self.budget.lost_answers) => return false,
            (true, _) => {
                excuse(self);
                Task::Ask(from, true)
            }
            (false, true) => Task::Write(from),
            (false, false) => Task::Refused(from),
        };
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
        true
    }

    /// The process dies and starts again; its lease ends by itself some time.
    fn crash(&mut self, p: usize) -> bool {
        if !spend(&mut self.budget.crashes) {
            return false;
        }
        self.processes[p] = Process::new(self.stored, self.processes[p].holder);
        if self.lease.is_some_and(|(holder, _)| holder == p) {
            self.lease = None;
        }
        excuse(self)
    }

    fn check(&self) {
        if !self.excused {
            assert!(!self.reused, "a spent token is never sent again: {self:?}");
            let asking = |process: &&Process| {
                matches!(process.task, Task::Read(_) | Task::Ask(..) | Task::Refused(_) | Task::Write(_))
            };
            let asking = self.processes.iter().filter(asking).count();
            assert!(asking <= 1, "one refresh at a time over all processes: {self:?}");
            assert!(self.good.is_some(), "nobody is logged out by our doing: {self:?}");
        }
        if self.logged_out {
            assert_eq!(self.stored, None, "what was logged out never comes back: {self:?}");
        }
        if let Some((p, holder)) = self.lease {
            let process = &self.processes[p];
            let busy = process.task != Task::Idle && process.holder == holder;
            assert!(busy || process.releasing.contains(&holder), "no lease is left behind: {self:?}");
        }
    }

    /// Nothing is under way: everyone was answered, and what they use is what is stored, or is found out to be over.
    fn is_quiet(&self) -> bool {
        self.processes.iter().all(|process| process.task == Task::Idle && process.releasing.is_empty())
    }
}

fn spend(budget: &mut u8) -> bool {
    let some = *budget > 0;
    *budget = budget.saturating_sub(1);
    some
}

fn excuse(world: &mut World) -> bool {
    world.excused = true;
    true
}

/// Visits every world, and gives how many there are.
fn explore(budget: Budget) -> usize {
    let start = World::new(budget, Instant::now());
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(world) = open.pop() {
        world.check();
        let next = world.next();
        // Whoever is under way can go on, without any further mishap.
        let goes_on = (0..2).any(|p| world.clone().step(p, false) || world.clone().release(p));
        assert!(world.is_quiet() || goes_on, "stuck: {world:?}");
        for world in next {
            if seen.insert(world.clone()) {
                open.push(world);
            }
        }
    }
    seen.len()
}

const CALM: Budget =
    Budget { needs: 5, logouts: 0, failures: 0, lost_answers: 0, lost_leases: 0, crashes: 0, clock: 0 };

#[test]
fn two_processes_never_spend_a_token_twice() {
    assert!(explore(Budget { failures: 1, clock: 1, ..CALM }) > 1_000);
}

#[test]
fn a_logout_at_any_moment_is_final() {
    assert!(explore(Budget { logouts: 1, failures: 1, ..CALM }) > 1_000);
}

#[test]
fn mishaps_at_any_moment_leave_nobody_waiting_and_revive_nothing() {
    let mishaps =
        Budget { needs: 3, logouts: 1, failures: 1, lost_answers: 1, lost_leases: 1, crashes: 1, clock: 1 };
    assert!(explore(mishaps) > 10_000);
}
