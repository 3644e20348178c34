//! [`Ring`]: the last messages of a feed, shared by all browsers. Each browser has a cursor in it.

use std::collections::VecDeque;

/// What a ring holds at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// A place between two messages. Counts all messages since the feed began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor(u64);

/// The messages after a cursor are no longer in the ring: its browser is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lagged;

#[derive(Debug)]
pub(super) struct Ring<T> {
    messages: VecDeque<(usize, T)>,
    /// The place before the oldest message.
    oldest: u64,
    bytes: usize,
    limits: Limits,
}

impl<T> Ring<T> {
    pub(super) fn new(limits: Limits) -> Self {
        Self { messages: VecDeque::new(), oldest: 0, bytes: 0, limits }
    }

    /// Adds a message of so many bytes, and drops the oldest ones that it leaves no room for. One stays in any case.
    pub(super) fn push(&mut self, bytes: usize, message: T) {
        self.messages.push_back((bytes, message));
        self.bytes += bytes;
        while self.messages.len() > 1
            && (self.messages.len() > self.limits.messages || self.bytes > self.limits.bytes)
            && let Some((bytes, _)) = self.messages.pop_front()
        {
            self.bytes -= bytes;
            self.oldest += 1;
        }
    }

    /// The place after the newest message.
    pub(super) fn end(&self) -> Cursor {
        Cursor(self.oldest + self.messages.len() as u64)
    }

    /// Returns the place before the first message of all, if that is still here.
    pub(super) fn beginning(&self) -> Option<Cursor> {
        (self.oldest == 0).then_some(Cursor(0))
    }

    pub(super) fn newest(&self) -> Option<&T> {
        self.messages.back().map(|(_, message)| message)
    }

    /// Returns the place after the newest message that is the wanted one.
    pub(super) fn after(&self, is_wanted: impl Fn(&T) -> bool) -> Option<Cursor> {
        let index = self.messages.iter().rposition(|(_, message)| is_wanted(message))?;
        Some(Cursor(self.oldest + index as u64 + 1))
    }

    /// Returns the messages after a place, each with the place after it.
    pub(super) fn since(&self, Cursor(place): Cursor) -> Result<impl Iterator<Item = (Cursor, &T)>, Lagged> {
        let skipped = place.checked_sub(self.oldest).ok_or(Lagged)?;
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.messages.len());
        let messages = self.messages.range(skipped..).zip(place + 1..);
        Ok(messages.map(|((_, message), place)| (Cursor(place), message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { messages: 3, bytes: 100 };

    fn ring(sizes: &[usize]) -> Ring<usize> {
        let mut ring = Ring::new(LIMITS);
        sizes.iter().enumerate().for_each(|(index, bytes)| ring.push(*bytes, index));
        ring
    }

    fn since(ring: &Ring<usize>, place: u64) -> Result<Vec<(Cursor, usize)>, Lagged> {
        Ok(ring.since(Cursor(place))?.map(|(cursor, message)| (cursor, *message)).collect())
    }

    #[test]
    fn a_browser_reads_on_where_it_was() {
        let ring = ring(&[1, 1, 1]);
        assert_eq!(since(&ring, 1), Ok(vec![(Cursor(2), 1), (Cursor(3), 2)]));
        assert_eq!(since(&ring, 3), Ok(vec![]));
        assert_eq!(ring.after(|message| *message == 1), Some(Cursor(2)));
        assert_eq!(ring.after(|message| *message == 7), None);
    }

    #[test]
    fn the_oldest_messages_are_dropped_and_slow_browsers_told() {
        let ring = ring(&[1, 1, 1, 1, 1]);
        assert_eq!(ring.end(), Cursor(5));
        assert_eq!(since(&ring, 2).unwrap().len(), 3);
        assert_eq!(since(&ring, 1), Err(Lagged));
    }

    #[test]
    fn bytes_are_bounded_but_for_one_message() {
        let ring = ring(&[60, 30, 30]);
        assert_eq!(since(&ring, 0), Err(Lagged));
        assert_eq!(since(&ring, 1).unwrap().len(), 2);
        let ring = self::ring(&[60, 300]);
        assert_eq!((ring.messages.len(), ring.bytes), (1, 300));
    }
}
