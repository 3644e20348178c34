//! The faults that may happen at any moment.

use super::{
    BROKEN, COOL_DOWN, EPOCH, GrantVersion, Marked, Outcome, Process, REVISIONS, Task, World, slot, spend,
    version,
};

impl World {
    /// A failover to a replica that lagged behind. (Deleted grants stay deleted in this model: a lost logout is a known
    /// limit of such a store.)
    pub(super) fn fall_back(&mut self) -> bool {
        let is_former = |stored: &GrantVersion| stored.epoch == EPOCH && stored.revision > 0;
        let Some(stored) = self.stored.filter(is_former) else { return false };
        if !spend(&mut self.budget.fall_backs) {
            return false;
        }
        let older = GrantVersion { revision: stored.revision - 1, ..stored };
        self.stored = Some(older);
        (self.lease, self.markers, self.retry_slots) = (None, [None; REVISIONS], [None; REVISIONS]);
        self.rests = [0; REVISIONS];
        for revision in older.revision..=stored.revision {
            // Both processes may be about to send it, and no lease keeps them apart any more.
            self.record_fault(version(revision));
            self.record_fault(version(revision));
        }
        true
    }

    /// A process updates a store that is behind the tokens that it uses.
    pub(super) fn repair(&mut self, p: usize) -> bool {
        let process = &self.processes[p];
        let (Some(current), Some(stored)) = (process.refresh_state.current(), self.stored) else {
            return false;
        };
        if !process.pending_writes.is_empty() || !current.is_after(stored) {
            return false;
        }
        self.stored = Some(current);
        true
    }

    /// A refresh is interrupted, for example by a panic. Its lease stays.
    pub(super) fn cancel(&mut self, p: usize) -> bool {
        let process = &mut self.processes[p];
        let (Task::Lease(from)
        | Task::Read(from)
        | Task::Mark(from)
        | Task::Send(from, _)
        | Task::SendElsewhere(from, _)
        | Task::ReadAgain(from, _)
        | Task::Write(from)
        | Task::WriteUnusable(from)) = process.task
        else {
            return false;
        };
        if !spend(&mut self.budget.cancellations) {
            return false;
        }
        let is_at = process.is_at(from);
        process.refresh_state.finished(from, Outcome::Failed { again_in: COOL_DOWN }, self.now);
        process.task = Task::Idle;
        if is_at {
            self.record_fault(from);
        }
        self.remove_marker(p, from);
        true
    }

    /// The process dies and starts again.
    pub(super) fn crash(&mut self, p: usize) -> bool {
        if !spend(&mut self.budget.crashes) {
            return false;
        }
        let stored = self.stored.filter(|stored| *stored != BROKEN);
        let died = Process::new(stored, self.processes[p].holder, self.processes[p].life + 1);
        let died = std::mem::replace(&mut self.processes[p], died);
        for revision in (0..REVISIONS as u64).map(version) {
            if died.is_at(revision) {
                self.record_fault(revision);
            }
        }
        true
    }

    /// The store is unavailable for longer than the lifetime of a lease, while its holder works.
    pub(super) fn lose_lease(&mut self) -> bool {
        if !spend(&mut self.budget.lost_leases) {
            return false;
        }
        let Some((p, _)) = self.lease.take() else { return false };
        // A process that took over from one that died, or that was not waited for, has no marker that others respect.
        for revision in (0..REVISIONS as u64).map(version) {
            let own = Some(Marked::By(p, self.processes[p].life));
            let process = &self.processes[p];
            let is_at = process.is_at(revision) || process.task == Task::Mark(revision);
            if is_at && self.markers[slot(revision)] != own {
                self.record_fault(revision);
            }
        }
        true
    }
}
