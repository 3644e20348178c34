//! [`Slots`]: the requests that run at a time, shared fairly among the users of an org.
//!
//! A user may hold at most three slots for each free one. So a user alone uses three quarters of the slots, several users
//! use more of them together, and each further user finds a free one, although no slot is ever taken away.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::id::UserId;

/// How many slots a user may hold for each free one.
const SHARE: usize = 3;

/// The slots of one org.
#[derive(Debug)]
pub(crate) struct Slots(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    held: HashMap<UserId, usize>,
    /// Those who wait, in the order of their arrival.
    waiting: VecDeque<(UserId, oneshot::Sender<()>)>,
}

impl State {
    fn held_by(&self, user: UserId) -> usize {
        self.held.get(&user).copied().unwrap_or_default()
    }

    fn may_take(&self, user: UserId) -> bool {
        self.free > 0 && self.held_by(user) < self.free.saturating_mul(SHARE)
    }

    fn take(&mut self, user: UserId) {
        self.free -= 1;
        *self.held.entry(user).or_default() += 1;
    }

    fn give_back(&mut self, user: UserId) {
        self.free += 1;
        if let Some(held) = self.held.get_mut(&user) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.held.remove(&user);
            }
        }
    }

    /// Gives free slots to those who wait: first to the user with the fewest, then to the one who waits longest.
    fn serve(&mut self) {
        loop {
            self.waiting.retain(|(_, waiter)| !waiter.is_closed());
            let candidates = self.waiting.iter().enumerate().filter(|(_, (user, _))| self.may_take(*user));
            let Some((index, _)) = candidates.min_by_key(|(_, (user, _))| self.held_by(*user)) else {
                return;
            };
            let Some((user, waiter)) = self.waiting.remove(index) else { return };
            self.take(user);
            if waiter.send(()).is_err() {
                self.give_back(user);
            }
        }
    }
}

impl Slots {
    pub(crate) fn new(slots: usize) -> Arc<Self> {
        let (held, waiting) = (HashMap::new(), VecDeque::new());
        Arc::new(Self(Mutex::new(State { free: slots, held, waiting })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many slots are in use.
    pub(crate) fn in_use(&self) -> usize {
        self.lock().held.values().sum()
    }

    /// Waits for a slot. Dropping the future gives up the place in the queue.
    pub(crate) async fn acquire(self: &Arc<Self>, user: UserId) -> Slot {
        let receiver = {
            let mut state = self.lock();
            state.waiting.retain(|(_, waiter)| !waiter.is_closed());
            // A request does not overtake others of the same user.
            let is_first = state.waiting.iter().all(|(waiting, _)| *waiting != user);
            if is_first && state.may_take(user) {
                state.take(user);
                None
            } else {
                let (sender, receiver) = oneshot::channel();
                state.waiting.push_back((user, sender));
                Some(receiver)
            }
        };
        if let Some(receiver) = receiver {
            let mut waiter = Waiter { slots: self, user, receiver, has_slot: false };
            // The sender is dropped only after it was used.
            waiter.has_slot = (&mut waiter.receiver).await.is_ok();
        }
        Slot { slots: Arc::clone(self), user }
    }

    fn release(&self, user: UserId) {
        let mut state = self.lock();
        state.give_back(user);
        state.serve();
    }
}

/// A slot, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    user: UserId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.release(self.user);
    }
}

/// A place in the queue. If it is given up after a slot was given to it, the slot is given back.
struct Waiter<'a> {
    slots: &'a Slots,
    user: UserId,
    receiver: oneshot::Receiver<()>,
    has_slot: bool,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        if !self.has_slot && self.receiver.try_recv().is_ok() {
            self.slots.release(self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn user(number: u32) -> UserId {
        format!("005D00000{number:06}").parse().unwrap()
    }

    /// Takes as many slots as the user gets at once.
    fn take_all(slots: &Arc<Slots>, user: UserId) -> Vec<Slot> {
        std::iter::from_fn(|| slots.acquire(user).now_or_never()).collect()
    }

    #[test]
    fn one_user_leaves_slots_to_each_other_one() {
        let slots = Slots::new(64);
        let mut held = Vec::new();
        let mut counts = Vec::new();
        for number in 0..6 {
            let taken = take_all(&slots, user(number));
            counts.push(taken.len());
            held.push(taken);
        }
        assert_eq!(counts, [48, 12, 3, 1, 0, 0], "bounded in all");
        held.remove(1);
        assert!(!take_all(&slots, user(4)).is_empty(), "what one gives back is there for others");
        drop(held);
        assert_eq!(take_all(&slots, user(9)).len(), 48, "all slots were given back");
        for (few, alone) in [(1, 1), (2, 2), (3, 3), (4, 3), (8, 6)] {
            assert_eq!(take_all(&Slots::new(few), user(1)).len(), alone, "{few}");
        }
    }

    #[test]
    fn a_free_slot_goes_to_the_user_with_the_fewest_and_not_to_a_request_that_was_dropped() {
        let slots = Slots::new(3);
        let mut of_first = take_all(&slots, user(1));
        let mut third = Box::pin(slots.acquire(user(1)));
        let mut dropped = Box::pin(slots.acquire(user(2)));
        let mut second = Box::pin(slots.acquire(user(2)));
        for waiting in [&mut third, &mut dropped, &mut second] {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        of_first.pop();
        // The slot was given to a request that is dropped before it notices.
        drop(dropped);
        let second = second.as_mut().now_or_never().expect("the slot is given on");
        assert!(third.as_mut().now_or_never().is_none());
        drop((of_first, second));
        assert!(third.as_mut().now_or_never().is_some());
    }
}
