//! The steps of a refresh, of a pending write and of a logout.

use std::time::Duration;

use super::{
    Attempts, BROKEN, COOL_DOWN, Decision, EPOCH, Failure, GrantVersion, How, LEFT, Marked, NEXT_LOGIN,
    NextStep, Outcome, StoredVersion, Task, World, after_failure, mutations::Mutation, slot, spend,
};

impl World {
    /// Salesforce rejects a request of this process that used the newest token it knows.
    pub(super) fn reject(&mut self, p: usize) -> bool {
        let now = self.now;
        let process = &mut self.processes[p];
        let Some(used) = process.refresh_state.current().filter(|used| used.epoch == EPOCH) else {
            return false;
        };
        // The request fails with this token: a new one would be rejected, too.
        if process.rests(used) {
            return false;
        }
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

    pub(super) fn step(&mut self, p: usize, how: How) -> bool {
        let goes_wrong = how != How::Well;
        let sends = matches!(self.processes[p].task, Task::Send(..) | Task::SendElsewhere(..));
        if matches!(how, How::ResponseLost | How::Unusable | How::Redirected) && !sends {
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
            Task::Send(from, attempts) if how == How::Redirected => {
                return self.redirect(p, from, Task::SendElsewhere(from, attempts));
            }
            Task::SendElsewhere(from, attempts) if how == How::Redirected => {
                // A circle is not followed.
                return spend(&mut self.budget.redirects)
                    && self.failed(p, from, attempts, Failure::Permanent);
            }
            Task::Send(from, attempts) | Task::SendElsewhere(from, attempts) => {
                return self.send(p, from, attempts, how);
            }
            Task::ReadAgain(from, attempts) => match StoredVersion::compare(from, self.stored) {
                StoredVersion::SameOrOlder => Task::Send(from, attempts),
                seen => Task::Publish(from, self.outcome(seen)),
            },
            Task::Refused(from) => match StoredVersion::compare(from, self.stored) {
                StoredVersion::Newer => Task::Publish(from, self.outcome(StoredVersion::Newer)),
                StoredVersion::Missing => Task::Publish(from, Outcome::Ended),
                StoredVersion::SameOrOlder => Task::Break(from),
            },
            Task::Break(from) => {
                if self.stored == Some(from) || self.has(Mutation::BreaksBlindly) {
                    self.stored = Some(BROKEN);
                    self.broken = true;
                }
                Task::Publish(from, Outcome::Ended)
            }
            Task::Write(from) | Task::WriteUnusable(from) if goes_wrong => {
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
            Task::WriteUnusable(from) => match self.write(from) {
                Outcome::NewVersion(version) if version == from.next() => {
                    Task::Publish(from, Outcome::Failed { again_in: COOL_DOWN })
                }
                outcome => Task::Publish(from, outcome),
            },
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

    pub(super) fn first_send(&self, p: usize, from: GrantVersion) -> Task {
        Task::Send(from, Attempts::first(self.processes[p].in_doubt == Some(from)))
    }

    /// From now on the token of this version may be used without all processes knowing.
    pub(super) fn record_fault(&mut self, of: GrantVersion) {
        self.faults[slot(of)] += 1;
        self.blind[slot(of)] += 1;
    }

    /// The login host redirects a request.
    fn redirect(&mut self, p: usize, from: GrantVersion, next: Task) -> bool {
        if !spend(&mut self.budget.redirects) {
            return false;
        }
        if self.has(Mutation::RepeatsProcessed) {
            self.process_token(from);
        }
        self.processes[p].task = next;
        true
    }

    /// Salesforce processes a token.
    fn process_token(&mut self, from: GrantVersion) {
        self.sent_now[slot(from)] += 1;
        self.sent_resting[slot(from)] += u8::from(self.rests[slot(from)] > 0);
        if self.valid == Some(from.revision) && !self.refused {
            self.newest = from.revision + 1;
            self.valid = Some(self.newest);
        } else {
            // A refusal for good does not use the token.
            self.sent_used[slot(from)] += u8::from(!self.refused);
            self.valid = None;
        }
    }

    /// The token endpoint.
    pub(super) fn send(&mut self, p: usize, from: GrantVersion, attempts: Attempts, how: How) -> bool {
        let valid = self.valid == Some(from.revision) && !self.refused;
        let budget = match how {
            How::Well => &mut 1,
            How::Badly => &mut self.budget.failures,
            How::ResponseLost => &mut self.budget.lost_responses,
            How::Unusable => &mut self.budget.unusable_responses,
            How::Redirected => return false,
        };
        if !spend(budget) {
            return false;
        }
        if how != How::Badly {
            self.process_token(from);
        }
        let failure = match how {
            How::Badly => Failure::Retryable,
            How::ResponseLost => Failure::NoResponse,
            How::Well if valid => {
                self.processes[p].task = Task::Write(from);
                return true;
            }
            How::Unusable if valid && self.has(Mutation::DropsUnusable) => Failure::Permanent,
            How::Unusable if valid => {
                self.processes[p].task = Task::WriteUnusable(from);
                return true;
            }
            How::Well | How::Unusable | How::Redirected => Failure::InvalidGrant,
        };
        self.failed(p, from, attempts, failure)
    }

    /// A token request failed.
    fn failed(&mut self, p: usize, from: GrantVersion, attempts: Attempts, failure: Failure) -> bool {
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
    pub(super) fn write(&mut self, from: GrantVersion) -> Outcome {
        let next = from.next();
        match StoredVersion::compare(next, self.stored) {
            StoredVersion::Missing if !self.has(Mutation::BlindWrite) => Outcome::Ended,
            StoredVersion::Newer if self.stored == Some(BROKEN) && self.has(Mutation::RevivesBroken) => {
                self.stored = Some(next);
                Outcome::NewVersion(next)
            }
            StoredVersion::Newer => self.outcome(StoredVersion::Newer),
            StoredVersion::SameOrOlder | StoredVersion::Missing => {
                self.stored = Some(next);
                Outcome::NewVersion(next)
            }
        }
    }

    pub(super) fn publish(&mut self, p: usize, from: GrantVersion, outcome: Outcome) {
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

    pub(super) fn store_pending(&mut self, p: usize) -> bool {
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

    pub(super) fn release(&mut self, p: usize) -> bool {
        let Some(holder) = self.processes[p].releasing.pop() else { return false };
        if self.lease == Some((p, holder)) {
            self.lease = None;
        }
        true
    }

    pub(super) fn outcome(&self, stored: StoredVersion) -> Outcome {
        match (stored, self.stored) {
            (StoredVersion::Newer, Some(stored)) if stored != BROKEN => Outcome::NewVersion(stored),
            _ => Outcome::Ended,
        }
    }

    pub(super) fn log_out(&mut self, p: usize) -> bool {
        if self.stored.is_none() || !self.has_login || !spend(&mut self.budget.logouts) {
            return false;
        }
        self.has_login = false;
        // An owner goes on with the grant.
        if self.has_owner && !self.has(Mutation::LogoutTakesGrantOfOwner) {
            return true;
        }
        self.delete(p)
    }

    /// Deletes the grant: the last use of it has ended.
    fn delete(&mut self, p: usize) -> bool {
        self.stored = None;
        self.logged_out = true;
        self.processes[p].refresh_state.end();
        self.processes[p].logged_out = true;
        true
    }

    /// Salesforce refuses the grant for good.
    pub(super) fn refuse(&mut self) -> bool {
        if !spend(&mut self.budget.refusals) {
            return false;
        }
        self.refused = true;
        true
    }

    /// The user logs in again: here, and with a new grant.
    pub(super) fn log_in(&mut self, p: usize) -> bool {
        if self.logged_out || !spend(&mut self.budget.logins) {
            return false;
        }
        self.has_login = true;
        self.replace(p)
    }

    /// An owner of the app connects the user: a new grant, which the user's logins use as well.
    pub(super) fn connect(&mut self, p: usize) -> bool {
        if self.logged_out || !spend(&mut self.budget.connects) {
            return false;
        }
        self.has_owner = true;
        self.replace(p)
    }

    /// An owner ends its connection.
    pub(super) fn disconnect(&mut self, p: usize) -> bool {
        if !self.has_owner || !spend(&mut self.budget.disconnects) {
            return false;
        }
        self.has_owner = false;
        self.has_login || self.has(Mutation::DisconnectLeavesGrant) || self.delete(p)
    }

    fn replace(&mut self, p: usize) -> bool {
        self.stored = Some(NEXT_LOGIN);
        self.has_logged_in = true;
        self.processes[p].refresh_state.adopt(NEXT_LOGIN);
        true
    }

    /// A lease expires that its holder does not renew any more.
    pub(super) fn lease_ends(&mut self) -> bool {
        let is_left = |(p, holder): (usize, u8)| !self.needs_lease(p, holder);
        self.lease.is_some_and(is_left) && self.lease.take().is_some()
    }

    pub(super) fn needs_lease(&self, p: usize, holder: u8) -> bool {
        let process = &self.processes[p];
        let busy = process.task != Task::Idle || !process.pending_writes.is_empty();
        process.releasing.contains(&holder) || (busy && process.holder == holder)
    }
}
