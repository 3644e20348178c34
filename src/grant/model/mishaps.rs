//! What may go wrong at any moment.

use super::{COOL_DOWN, Noted, Outcome, Process, REVISIONS, Task, Version, World, slot, spend, version};

impl World {
    /// A failover to a replica that lagged behind. (What ended stays ended here: a logout that the replica did not hear
    /// of is another matter.)
    pub(super) fn fall_back(&mut self) -> bool {
        let Some(stored) = self.stored.filter(|stored| stored.revision > 0) else { return false };
        if !spend(&mut self.budget.fall_backs) {
            return false;
        }
        let older = Version { revision: stored.revision - 1, ..stored };
        self.stored = Some(older);
        (self.lease, self.notes, self.turns) = (None, [None; REVISIONS], [None; REVISIONS]);
        for revision in older.revision..=stored.revision {
            // Either process may be about to send it, and nothing keeps them apart any more.
            self.mishap(version(revision));
            self.mishap(version(revision));
        }
        true
    }

    /// A process that sees a store behind what it uses brings it up to date.
    pub(super) fn repair(&mut self, p: usize) -> bool {
        let process = &self.processes[p];
        let (Some(current), Some(stored)) = (process.machine.current(), self.stored) else { return false };
        if !process.held.is_empty() || !current.is_after(stored) {
            return false;
        }
        self.stored = Some(current);
        true
    }

    /// A refresh ends in the middle, as by a panic. Its lease stays behind.
    pub(super) fn cancel(&mut self, p: usize) -> bool {
        let process = &mut self.processes[p];
        let (Task::Lease(from)
        | Task::Read(from)
        | Task::Note(from)
        | Task::Ask(from, _)
        | Task::LookAgain(from, _)
        | Task::Write(from)) = process.task
        else {
            return false;
        };
        if !spend(&mut self.budget.cancellations) {
            return false;
        }
        let is_at = process.is_at(from);
        process.machine.finished(from, Outcome::Failed { again_in: COOL_DOWN }, self.now);
        process.task = Task::Idle;
        if is_at {
            self.mishap(from);
        }
        self.remove_note(p, from);
        true
    }

    /// The process dies and starts again.
    pub(super) fn crash(&mut self, p: usize) -> bool {
        if !spend(&mut self.budget.crashes) {
            return false;
        }
        let died = Process::new(self.stored, self.processes[p].holder, self.processes[p].life + 1);
        let died = std::mem::replace(&mut self.processes[p], died);
        for revision in (0..REVISIONS as u64).map(version) {
            if died.is_at(revision) {
                self.mishap(revision);
            }
        }
        true
    }

    /// The store is away for longer than a lease lasts, while its holder works.
    pub(super) fn lose_lease(&mut self) -> bool {
        if !spend(&mut self.budget.lost_leases) {
            return false;
        }
        let Some((p, _)) = self.lease.take() else { return false };
        // Whoever went on over the note of one that died, or was not waited for, has none that others would heed.
        for revision in (0..REVISIONS as u64).map(version) {
            let own = Some(Noted::By(p, self.processes[p].life));
            let process = &self.processes[p];
            let is_at = process.is_at(revision) || process.task == Task::Note(revision);
            if is_at && self.notes[slot(revision)] != own {
                self.mishap(revision);
            }
        }
        true
    }
}
