//! A model of several processes that run one consumer over one store: random schedules of events, pauses, crashes, lost and
//! late operations, and ends. Each process is driven by the [`Term`] of the program.
//!
//! The promises: no position is stored before its events are handled, a stored position never moves back, events are begun
//! by the holder of the lease only, in order, and in the end all of them are handled.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    term::{Failed, Place, Step, Term, Write, Written},
    timing::ConsumerTiming,
};

mod mutations;

use self::mutations::Mutation;

const PROCESSES: usize = 3;
const TIMING: ConsumerTiming = ConsumerTiming::DEFAULT;

/// A random number generator (xorshift64*), so that each seed is one schedule.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % end
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Debug, Clone)]
enum Operation {
    Acquire(u64),
    Release(u64),
    Load,
    /// With the number of the bytes that are written.
    Write(Write<u64>, u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Response {
    Lease(bool),
    Released,
    Loaded(Option<(u64, Place<u64>)>),
    Written(Written),
}

/// The shared store.
#[derive(Default)]
struct Store {
    /// Version, place, the number of its bytes, and who wrote it.
    record: Option<(u64, Place<u64>, u64, usize)>,
    lease: Option<(u64, Instant)>,
    /// Operations of which the sender knows that they failed, and which may still take effect.
    late: Vec<(usize, Operation)>,
}

struct Flight {
    operation: Operation,
    sent: Instant,
    /// Whether it has taken effect, and how.
    effect: Option<Response>,
}

struct Reader {
    place: Place<u64>,
    handling: Option<u64>,
}

struct Process {
    term: Term<u64>,
    holder: u64,
    number: u64,
    flight: Option<Flight>,
    reader: Option<Reader>,
    paused_until: Instant,
    is_stopping: bool,
    /// The bytes of the write whose outcome is unknown.
    sealed: Option<(u64, u64)>,
}

struct World {
    random: Random,
    now: Instant,
    store: Store,
    processes: Vec<Process>,
    /// Positions of events are multiples of 10; those between are signs of life.
    published: u64,
    quiet: u64,
    handled: BTreeSet<u64>,
    next_number: u64,
    faults: bool,
    mutation: Option<Mutation>,
}

type Checked = Result<(), String>;

impl World {
    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let now = Instant::now();
        let mut world = Self {
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            now,
            store: Store::default(),
            processes: Vec::new(),
            published: 0,
            quiet: 0,
            handled: BTreeSet::new(),
            next_number: 1,
            faults: true,
            mutation,
        };
        for _ in 0..PROCESSES {
            let process = world.start();
            world.processes.push(process);
        }
        world
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn start(&mut self) -> Process {
        Process {
            term: Term::new(TIMING, self.now),
            holder: self.number(),
            number: 0,
            flight: None,
            reader: None,
            paused_until: self.now,
            is_stopping: false,
            sealed: None,
        }
    }

    fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// One random thing happens.
    fn happen(&mut self) -> Checked {
        let process = usize::try_from(self.random.below(PROCESSES as u64)).unwrap();
        match self.random.below(100) {
            0..15 => self.now += Duration::from_millis(self.random.below(400)),
            15..17 if self.faults => self.now += Duration::from_millis(self.random.below(8_000)),
            17..24 if self.faults => self.published += 10,
            24..26 => self.quiet = (self.quiet + 1) % 9,
            26 if self.faults && self.random.percent(20) => self.restart(process),
            27 if self.faults && self.random.percent(30) => {
                let pause = Duration::from_millis(self.random.below(60_000));
                self.processes[process].paused_until = self.now + pause;
            }
            28 if self.faults && self.random.percent(20) => self.processes[process].is_stopping = true,
            29..32 if !self.store.late.is_empty() => {
                let late = self.random.below(self.store.late.len() as u64);
                let (sender, operation) = self.store.late.remove(usize::try_from(late).unwrap());
                self.apply(sender, &operation)?;
            }
            _ if self.processes[process].paused_until <= self.now => self.turn(process)?,
            _ => {}
        }
        Ok(())
    }

    /// A crash, and a process in place of the former one.
    fn restart(&mut self, process: usize) {
        let former = self.processes[process].holder;
        let mut started = self.start();
        if self.has(Mutation::SameHolder) {
            started.holder = former;
        }
        if let Some(flight) = self.processes[process].flight.take().filter(|flight| flight.effect.is_none()) {
            self.store.late.push((process, flight.operation));
        }
        self.processes[process] = started;
    }

    /// A process does one thing, as the runner does.
    fn turn(&mut self, id: usize) -> Checked {
        self.follow(id);
        if self.random.percent(50) {
            self.read(id)?;
        }
        if self.processes[id].flight.is_some() {
            return self.respond(id);
        }
        let now = self.now;
        let process = &mut self.processes[id];
        if process.is_stopping && process.reader.as_ref().is_none_or(|reader| reader.handling.is_none()) {
            process.term.leave(now);
        }
        let step = process.term.next(now);
        self.follow(id);
        let holder = self.processes[id].holder;
        let operation = match step {
            Step::Wait(_) => return Ok(()),
            Step::End => {
                self.restart(id);
                return Ok(());
            }
            Step::Acquire => Operation::Acquire(holder),
            Step::Release => Operation::Release(holder),
            Step::Load => Operation::Load,
            Step::Write(write) => {
                let cached = self.processes[id].sealed.filter(|(version, _)| *version == write.version);
                let cached = cached.filter(|_| !self.has(Mutation::SealsAgain));
                let bytes = cached.map_or_else(|| self.number(), |(_, bytes)| bytes);
                self.processes[id].sealed = Some((write.version, bytes));
                Operation::Write(write, bytes)
            }
        };
        // It takes effect at once, or only when its response is on the way.
        let effect = if self.random.percent(50) { Some(self.apply(id, &operation)?) } else { None };
        self.processes[id].flight = Some(Flight { operation, sent: now, effect });
        Ok(())
    }

    /// Starts or drops the reader, as the runner does.
    fn follow(&mut self, id: usize) {
        let newest = self.published;
        let (number, afresh) = (self.next_number + 1, self.has(Mutation::StartsAfresh));
        let goes_on = self.has(Mutation::GoesOn);
        let process = &mut self.processes[id];
        if process.term.runs_until().is_none() {
            if !goes_on {
                process.reader = None;
            }
        } else if process.reader.is_none() {
            let mut place = process.term.place().clone();
            if afresh {
                place.at = Some(newest);
            }
            process.reader = Some(Reader { place, handling: None });
        }
        if process.term.number() != process.number {
            (process.number, process.holder, process.sealed) = (process.term.number(), number, None);
            self.next_number = number;
        }
    }

    /// The reader begins an event, ends one, or passes on a sign of life. Never at or after the deadline.
    fn read(&mut self, id: usize) -> Checked {
        let (now, published, quiet) = (self.now, self.published, self.quiet);
        let (early, goes_on) = (self.has(Mutation::HandledEarly), self.has(Mutation::GoesOn));
        let process = &mut self.processes[id];
        let runs = process.term.runs_until().is_some_and(|until| now < until);
        let Some(reader) = process.reader.as_mut().filter(|_| runs || goes_on) else { return Ok(()) };
        if let Some(event) = reader.handling.take() {
            self.handled.insert(event);
            reader.place = Place { at: Some(event), event: Some(event) };
            if !early {
                process.term.handled(reader.place.clone(), 1);
            }
            return Ok(());
        }
        let at = reader.place.at.unwrap_or_default();
        let next = at / 10 * 10 + 10;
        if next > published {
            reader.place.at = Some(at.max(published + quiet));
            process.term.handled(reader.place.clone(), 0);
            return Ok(());
        }
        if process.is_stopping {
            return Ok(());
        }
        reader.handling = Some(next);
        if early {
            process.term.handled(Place { at: Some(next), event: Some(next) }, 1);
        }
        let holder = process.holder;
        let holds = self.store.lease.is_some_and(|(held_by, until)| held_by == holder && now < until);
        if holds { Ok(()) } else { Err(format!("one process runs the consumer: event {next} in {id}")) }
    }

    /// The response of an operation arrives, or is lost.
    fn respond(&mut self, id: usize) -> Checked {
        let Some(flight) = self.processes[id].flight.take() else { return Ok(()) };
        let Flight { operation, sent, effect } = flight;
        let outcome = match (effect, self.faults && self.random.percent(20)) {
            // Its response is lost.
            (Some(_), true) => None,
            (Some(effect), false) => Some(effect),
            (None, true) => {
                if self.random.percent(50) {
                    self.store.late.push((id, operation.clone()));
                }
                None
            }
            (None, false) => Some(self.apply(id, &operation)?),
        };
        let (now, response_time) = (self.now, self.has(Mutation::LeaseFromResponse));
        let (claims, optimist) = (self.has(Mutation::NoClaim), self.has(Mutation::TakesFailureForSuccess));
        let writer = self.store.record.as_ref().map(|(_, _, _, writer)| *writer);
        let process = &mut self.processes[id];
        match operation {
            Operation::Acquire(_) => {
                let outcome = match outcome {
                    Some(Response::Lease(held)) => Ok(held),
                    _ => Err(Failed),
                };
                process.term.acquired(if response_time { now } else { sent }, now, outcome);
            }
            Operation::Release(_) => process.term.released(),
            Operation::Load => {
                let found = match outcome {
                    Some(Response::Loaded(found)) => Ok(found),
                    _ => Err(Failed),
                };
                process.term.loaded(now, found);
            }
            Operation::Write(write, _) => {
                let was_running = process.term.runs_until().is_some();
                let outcome = match outcome {
                    Some(Response::Written(written)) => Ok(written),
                    _ if optimist => Ok(Written::Stored),
                    _ => Err(Failed),
                };
                if outcome == Ok(Written::Stored) {
                    process.sealed = None;
                }
                if outcome == Ok(Written::Conflict) && was_running && writer == Some(id) && !claims {
                    return Err(format!("a conflict comes from another process: {write:?} in {id}"));
                }
                process.term.written(now, outcome);
            }
        }
        Ok(())
    }

    /// An operation takes effect.
    fn apply(&mut self, sender: usize, operation: &Operation) -> Result<Response, String> {
        let now = self.now;
        let lease = self.store.lease.filter(|(_, until)| now < *until);
        let response = match operation {
            Operation::Acquire(holder) => {
                let is_free = lease.is_none_or(|(other, _)| other == *holder);
                if is_free {
                    self.store.lease = Some((*holder, now + TIMING.lease_lifetime));
                }
                Response::Lease(is_free)
            }
            Operation::Release(holder) => {
                self.store.lease = lease.filter(|(other, _)| other != holder);
                Response::Released
            }
            Operation::Load => {
                let found = self.store.record.clone();
                Response::Loaded(found.map(|(version, place, ..)| (version, place)))
            }
            Operation::Write(write, bytes) => Response::Written(self.write(sender, write, *bytes)?),
        };
        Ok(response)
    }

    fn write(&mut self, sender: usize, write: &Write<u64>, bytes: u64) -> Result<Written, String> {
        let stored = self.store.record.as_ref();
        let is_same = stored.is_some_and(|stored| (stored.0, stored.2) == (write.version, bytes));
        let version = stored.map(|stored| stored.0);
        let is_claim = stored.is_some_and(|stored| stored.1 == write.place);
        if is_same || (is_claim && self.has(Mutation::NoClaim)) {
            return Ok(Written::Stored);
        }
        // Without claims the record keeps its version until the first position is written.
        let is_unclaimed =
            self.has(Mutation::NoClaim) && version.map(|version| version + 1) == write.expected;
        if version != write.expected && !is_unclaimed && !self.has(Mutation::BlindWrite) {
            return Ok(if stored.is_some() { Written::Conflict } else { Written::NotFound });
        }
        let (before, after) = (stored.and_then(|stored| stored.1.at), write.place.at);
        if after < before {
            return Err(format!("a position never moves back: {before:?} to {after:?} by {sender}"));
        }
        if let Some(at) = after {
            let missing = (1..=at / 10).map(|event| event * 10).find(|event| !self.handled.contains(event));
            if let Some(event) = missing {
                return Err(format!(
                    "a stored position has no event before it that was not handled: {event}"
                ));
            }
        }
        self.store.record = Some((write.version, write.place.clone(), bytes, sender));
        Ok(Written::Stored)
    }
}

/// Runs a schedule, then lets everything work: all events are handled in the end, and the last position is stored.
fn run(seed: u64, mutation: Option<Mutation>) -> Checked {
    let mut world = World::new(seed, mutation);
    for _ in 0..2_000 {
        world.happen()?;
    }
    world.faults = false;
    for process in &mut world.processes {
        process.paused_until = world.now;
    }
    // No longer than a lease that was just renewed, and a claim.
    let end = world.now + TIMING.lease_lifetime + Duration::from_secs(10);
    while world.now < end {
        world.happen()?;
    }
    let now = world.now;
    if !world.processes.iter().any(|process| process.term.runs_until().is_some_and(|until| now < until)) {
        return Err("another process goes on in time".to_owned());
    }
    for _ in 0..100_000 {
        let stored = world.store.record.as_ref().and_then(|record| record.1.event).unwrap_or_default();
        if stored == world.published {
            return Ok(());
        }
        world.happen()?;
    }
    Err("all events are handled in the end".to_owned())
}

#[test]
fn no_schedule_breaks_a_promise() {
    for seed in 0..400 {
        run(seed, None).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}
