//! The marks in the store on versions: about to be sent, in doubt, rejected.

use super::{
    COOL_DOWN, EPOCH, GrantVersion, Marked, Outcome, REST, StoredVersion, Task, World, mutations::Mutation,
    slot, spend,
};

impl World {
    /// Salesforce rejects the newest token that this process knows, although it is new.
    pub(super) fn reject_new(&mut self, p: usize) -> bool {
        let process = &mut self.processes[p];
        let is_new = |used: &GrantVersion| used.epoch == EPOCH && used.revision > 0;
        let Some(used) = process.refresh_state.current().filter(is_new) else { return false };
        if process.rests(used) || !spend(&mut self.budget.new_rejections) {
            return false;
        }
        process.rejected = Some((used.revision, REST));
        let is_free = matches!(self.markers[slot(used)], None | Some(Marked::Rejected));
        if is_free || self.has(Mutation::RejectionHidesMarker) {
            self.markers[slot(used)] = Some(Marked::Rejected);
            if self.take_slot(p, used, REST) {
                self.rests[slot(used)] = REST;
            }
        }
        true
    }

    /// A cool-down passes.
    pub(super) fn pass_cool_down(&mut self) {
        for slot in &mut self.retry_slots {
            *slot = slot.and_then(|(p, life, left)| (left > 1).then_some((p, life, left - 1)));
        }
        self.rests.iter_mut().for_each(|left| *left = left.saturating_sub(1));
        for process in &mut self.processes {
            let rejected = process.rejected;
            process.rejected =
                rejected.and_then(|(revision, left)| (left > 1).then_some((revision, left - 1)));
        }
    }

    pub(super) fn remove_marker(&mut self, p: usize, from: GrantVersion) {
        let marker = &mut self.markers[slot(from)];
        if *marker == Some(Marked::By(p, self.processes[p].life)) {
            *marker = None;
        }
    }

    /// Returns true if this process may send a token in doubt.
    pub(super) fn take_retry_slot(&mut self, p: usize, from: GrantVersion) -> bool {
        self.take_slot(p, from, 1)
    }

    fn take_slot(&mut self, p: usize, from: GrantVersion, cool_downs: u8) -> bool {
        let (me, life) = (u8::try_from(p).unwrap(), self.processes[p].life);
        let is_own =
            |owner, its_life| owner == me && (its_life == life || self.has(Mutation::RestartsShareSlots));
        if self.retry_slots[slot(from)].is_some_and(|(owner, life, _)| !is_own(owner, life)) {
            return false;
        }
        self.retry_slots[slot(from)] = Some((me, life, cool_downs));
        true
    }

    pub(super) fn mark(&mut self, p: usize, from: GrantVersion, impatient: bool) -> bool {
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
            Some(Marked::Rejected) if !self.may_end_rest(p, from) => {
                let outcome = match StoredVersion::compare(from, self.stored) {
                    StoredVersion::SameOrOlder => {
                        let known = self.processes[p].rests(from);
                        if !known || self.has(Mutation::OthersEndOwnRest) {
                            self.processes[p].rejected = Some((from.revision, 1));
                        }
                        // The tokens stay as they are.
                        Outcome::NewVersion(from)
                    }
                    seen => self.outcome(seen),
                };
                self.processes[p].task = Task::Publish(from, outcome);
                return true;
            }
            _ => self.markers[slot(from)] = Some(me),
        }
        self.processes[p].task = Task::Read(from);
        true
    }

    /// Returns whether this process may refresh a version that is marked as rejected.
    fn may_end_rest(&mut self, p: usize, from: GrantVersion) -> bool {
        let knows = self.processes[p].rests(from) && !self.has(Mutation::RestsForOthersOnly);
        self.has(Mutation::IgnoresRejection) || (!knows && self.take_retry_slot(p, from))
    }
}
