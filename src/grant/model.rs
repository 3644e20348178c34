//! A model check of the refresh: every interleaving of two processes, a store with leases and notes, and a Salesforce
//! that rotates tokens, up to a bound on what goes wrong. The decisions are the real ones ([`Machine`], [`Stored`],
//! [`after_failure`]); the I/O between them is the model's, step by step as `refresh.rs`, `note.rs` and `hold.rs` do
//! it.
//!
//! It looks at all of them, not at some: that is why it is here, and not a run of random schedules. That it would find
//! a mistake is tested too, with mistakes. (Nor `loom` or `shuttle` on `cell.rs`: each of its methods takes its lock
//! once, never across an await, so that threads interleave between its calls only, which is what this does. Its `watch`
//! channel is tokio's, which is checked there.)

use std::time::{Duration, Instant};

use super::{
    Version,
    machine::{Machine, Need, Outcome, Stored},
    retry::{COOL_DOWN, Failure, Next, Tries, after_failure},
};

mod mishaps;
mod mistakes;
mod runs;

use mistakes::Mistake;

/// How much time each refresh has left: enough.
const LEFT: Duration = Duration::from_secs(9);
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
    /// It asks Salesforce, after these tries.
    Ask(Version, Tries),
    /// It is to ask again, and first reads what is stored.
    LookAgain(Version, Tries),
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
    /// The version whose token is in doubt, as far as is known here.
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

    /// Whether what comes of this version's token, a new one or the end, may still come from here.
    fn is_at(&self, version: Version) -> bool {
        // One that reads may ask next.
        let asks = match self.task {
            Task::Read(from)
            | Task::Ask(from, _)
            | Task::LookAgain(from, _)
            | Task::Refused(from)
            | Task::Write(from) => from == version,
            _ => false,
        };
        asks || self.held.contains(&version)
    }
}

/// How a step goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Well,
    Badly,
    /// Salesforce does what it is asked for, and its answer is lost.
    Unanswered,
}

/// What stands in the note on a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Noted {
    /// This process, in this one of its lives, is about to send the token.
    By(usize, u8),
    InDoubt,
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
    /// The store falls back to the state before the last write, as after a failover. Leases and notes are gone too.
    fall_backs: u8,
    clock: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    processes: [Process; 2],
    stored: Option<Version>,
    lease: Option<(usize, u8)>,
    /// By revision.
    notes: [Option<Noted>; REVISIONS],
    /// By revision: who sent a token in doubt, and until when it is nobody else's turn.
    turns: [Option<(usize, Instant)>; REVISIONS],
    /// The revision whose refresh token is good; `None`: Salesforce has ended the family.
    good: Option<u64>,
    /// The newest revision that Salesforce gave out.
    newest: u64,
    logged_out: bool,
    now: Instant,
    budget: Budget,
    /// By revision: how often its token was sent and dealt with since the clock last moved, which it does by a
    /// cool-down.
    sent_now: [u8; REVISIONS],
    /// By revision: how often its token was sent when it was no longer good.
    sent_spent: [u8; REVISIONS],
    /// By revision: how often something happened after which its token may be spent without everybody knowing. Each
    /// allows for one such call, and no more.
    mishaps: [u8; REVISIONS],
    /// Those of them that are not lost answers.
    blind: [u8; REVISIONS],
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
            turns: [None; REVISIONS],
            good: Some(0),
            newest: 0,
            logged_out: false,
            now: Instant::now(),
            budget,
            sent_now: [0; REVISIONS],
            sent_spent: [0; REVISIONS],
            mishaps: [0; REVISIONS],
            blind: [0; REVISIONS],
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
            for how in [How::Well, How::Badly, How::Unanswered] {
                with(&|world| world.step(p, how));
            }
            with(&|world| world.repair(p));
            with(&|world| world.store_held(p));
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

    fn step(&mut self, p: usize, how: How) -> bool {
        let goes_wrong = how != How::Well;
        if how == How::Unanswered && !matches!(self.processes[p].task, Task::Ask(..)) {
            return false;
        }
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
            Task::Ask(from, tries) => return self.ask(p, from, tries, how),
            Task::LookAgain(from, tries) => match Stored::seen_from(from, self.stored) {
                Stored::Ours => Task::Ask(from, tries),
                seen => Task::Publish(from, self.outcome(seen)),
            },
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
        if *note == Some(Noted::By(p, self.processes[p].life)) {
            *note = None;
        }
    }

    /// Whether it is this process's turn to send a token in doubt.
    fn take_turn(&mut self, p: usize, from: Version) -> bool {
        let (now, turn) = (self.now, &mut self.turns[slot(from)]);
        if turn.is_some_and(|(other, until)| other != p && until > now) {
            return false;
        }
        *turn = Some((p, now + COOL_DOWN));
        true
    }

    fn note(&mut self, p: usize, from: Version, impatient: bool) -> bool {
        let me = Noted::By(p, self.processes[p].life);
        let noted = self.notes[slot(from)];
        if impatient && !matches!(noted, Some(Noted::By(..))) {
            return false;
        }
        match noted {
            Some(Noted::By(owner, life))
                if noted != Some(me) && !matches!(self.mistake, Some(Mistake::NoNote | Mistake::NoLease)) =>
            {
                let lives = self.processes[owner].life == life && self.processes[owner].is_at(from);
                if impatient {
                    if !lives || !spend(&mut self.budget.impatience) {
                        return false;
                    }
                    self.mishap(from);
                } else if lives {
                    return false;
                }
                self.processes[p].lost = Some(from);
            }
            Some(Noted::InDoubt) if !self.has(Mistake::ForgetsDoubt) => {
                if !self.take_turn(p, from) {
                    let outcome = match Stored::seen_from(from, self.stored) {
                        Stored::Ours => Outcome::Failed { again_in: COOL_DOWN },
                        seen => self.outcome(seen),
                    };
                    self.processes[p].task = Task::Publish(from, outcome);
                    return true;
                }
                self.notes[slot(from)] = Some(me);
                self.processes[p].lost = Some(from);
            }
            _ if impatient => return false,
            _ => self.notes[slot(from)] = Some(me),
        }
        self.processes[p].task = Task::Read(from);
        true
    }

    fn first_ask(&self, p: usize, from: Version) -> Task {
        Task::Ask(from, Tries::none(self.processes[p].lost == Some(from)))
    }

    /// The token of this version may be spent from here on without everybody knowing.
    fn mishap(&mut self, of: Version) {
        self.mishaps[slot(of)] += 1;
        self.blind[slot(of)] += 1;
    }

    /// The token endpoint.
    fn ask(&mut self, p: usize, from: Version, tries: Tries, how: How) -> bool {
        let good = self.good == Some(from.revision);
        let budget = match how {
            How::Well => &mut 1,
            How::Badly => &mut self.budget.failures,
            How::Unanswered => &mut self.budget.lost_answers,
        };
        if !spend(budget) {
            return false;
        }
        if how != How::Badly {
            self.sent_now[slot(from)] += 1;
            if good {
                self.newest = from.revision + 1;
                self.good = Some(self.newest);
            } else {
                self.sent_spent[slot(from)] += 1;
                self.good = None;
            }
        }
        let failure = match how {
            How::Badly => Failure::NotNow,
            How::Unanswered => Failure::Lost,
            How::Well if good => {
                self.processes[p].task = Task::Write(from);
                return true;
            }
            How::Well => Failure::Refused,
        };
        if failure.leaves_doubt() {
            self.mishaps[slot(from)] += 1;
            self.processes[p].lost = Some(from);
        }
        let tries = if self.has(Mistake::AsksOnAndOn) { Tries::none(false) } else { tries };
        self.processes[p].task = match after_failure(failure, tries, Duration::ZERO, LEFT) {
            Next::End { .. } => Task::Refused(from),
            Next::Again { tries, .. } => Task::LookAgain(from, tries),
            Next::GiveUp { again_in } => {
                let me = Some(Noted::By(p, self.processes[p].life));
                if self.processes[p].lost != Some(from) {
                    self.remove_note(p, from);
                } else {
                    self.take_turn(p, from);
                    if [None, me].contains(&self.notes[slot(from)]) {
                        self.notes[slot(from)] = Some(Noted::InDoubt);
                    }
                }
                Task::Publish(from, Outcome::Failed { again_in })
            }
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
        for revision in 0..REVISIONS {
            // The newest ends with its family, and whoever has it finds out by sending it.
            let ended = u8::from(self.good.is_none() && self.newest == revision as u64);
            let allowed = self.mishaps[revision] + ended;
            promise(
                self.sent_spent[revision] <= allowed,
                "a spent token is never sent again, but once for each mishap",
            )?;
            let allowed = 2 + self.blind[revision];
            promise(self.sent_now[revision] <= allowed, "a token in doubt is sent once more a cool-down")?;
        }
        if self.mishaps == [0; REVISIONS] {
            let asks = |process: &&Process| {
                matches!(process.task, Task::Ask(..) | Task::LookAgain(..) | Task::Write(_))
            };
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
        let some = |p| {
            can(&|world| world.step(p, How::Well)) || can(&|world| world.store_held(p) || world.release(p))
        };
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
