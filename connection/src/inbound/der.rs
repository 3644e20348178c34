//! The part of DER (ITU-T X.690) that a certificate needs: elements with definite lengths, and times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Elements that are still to be read.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// Takes the next element: its tag and its contents.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            // Four bytes: more than any certificate is long.
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(count)?;
            length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = after;
        }
        let (contents, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, contents))
    }

    /// Takes the next element if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, contents) = ahead.next()?;
        (found == tag).then(|| {
            *self = ahead;
            contents
        })
    }

    /// Takes the elements of the next sequence.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(Self)
    }

    /// Takes the next element, a time (RFC 5280 section 4.1.2.5).
    pub(super) fn time(&mut self) -> Option<SystemTime> {
        let (tag, text) = self.next()?;
        let number = |range: std::ops::Range<usize>| {
            let digits = text.get(range)?;
            digits.iter().try_fold(0_u64, |number, digit| {
                digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
            })
        };
        let (year, rest) = match tag {
            UTC_TIME if text.len() == 13 => {
                let year = number(0..2)?;
                (if year < 50 { 2000 + year } else { 1900 + year }, 2)
            }
            GENERALIZED_TIME if text.len() == 15 => (number(0..4)?, 4),
            _ => return None,
        };
        let part = |index: usize| number(rest + 2 * index..rest + 2 * index + 2);
        let (month, day, hour, minute, second) = (part(0)?, part(1)?, part(2)?, part(3)?, part(4)?);
        let is_time = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
        if !is_time || second > 60 || text.last() != Some(&b'Z') || year < 1970 {
            return None;
        }
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }
}

/// Returns the days from 1970 to a day of the Gregorian calendar from 1970 on.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // The year begins in March here, so that a leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    (year * 365 + year / 4 - year / 100 + year / 400 + day_of_year).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_certificate_are_read() {
        let utc = b"\x17\x0d261130120000Z";
        let general = b"\x18\x0f20261130120000Z";
        let expected = UNIX_EPOCH + Duration::from_secs(1_796_040_000);
        for text in [&utc[..], &general[..]] {
            assert_eq!(Elements(text).time(), Some(expected));
        }
        assert_eq!(Elements(b"\x17\x0d700101000000Z").time(), Some(UNIX_EPOCH));
        let leap = UNIX_EPOCH + Duration::from_secs(951_782_400);
        assert_eq!(Elements(b"\x17\x0d000229000000Z").time(), Some(leap), "2000-02-29");
        for text in [
            &b"\x17\x0d261330120000Z"[..],
            b"\x17\x0d26113012000xZ",
            b"\x17\x0d2611301200000",
            b"\x17\x0b2611301200Z",
            b"\x18\x0f19600101000000Z",
            b"\x04\x0d261130120000Z",
            b"\x17",
            b"",
        ] {
            assert_eq!(Elements(text).time(), None, "{text:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_or_without_one_is_refused() {
        for bytes in [
            &b"\x30\x05\x02\x01"[..],
            b"\x30\x80\x00\x00",
            b"\x30\x85\x01\x01\x01\x01\x01",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30",
        ] {
            assert!(Elements(bytes).sequence().is_none(), "{bytes:?}");
        }
        let mut elements = Elements(b"\x30\x81\x03\x02\x01\x07\x05\x00");
        assert_eq!(elements.sequence().unwrap().take(INTEGER), Some(&b"\x07"[..]));
        assert!(elements.take(INTEGER).is_none() && elements.take(0x05).is_some());
    }
}
