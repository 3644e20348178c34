//! Finds the end of a reply in the bytes of a connection (Redis serialization protocol specification, RESP2 and RESP3).

use std::io::{self, ErrorKind};

/// Maximum length of the replies to the commands that are sent together. The longest ones are pages of a listing: 200 grants
/// of at most 64 KB each, which is what a token response may have.
pub(super) const MAX_REPLY: usize = 16 * 1024 * 1024;

/// Why the bytes of a connection are not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidReply {
    #[error("invalid reply: its bytes are not of the Redis protocol")]
    Form,
    #[error("reply too long: more than {} MiB", MAX_REPLY / 1024 / 1024)]
    TooLong,
}

impl From<InvalidReply> for io::Error {
    fn from(error: InvalidReply) -> Self {
        Self::new(ErrorKind::InvalidData, error)
    }
}

/// Returns the length in bytes of the first `values` values, or `None` if they have not arrived whole.
///
/// # Errors
/// As [`Scan::resume`].
pub(super) fn length(bytes: &[u8], values: usize) -> Result<Option<usize>, InvalidReply> {
    Scan::new(values).resume(bytes)
}

/// Looks for the end of some values, once at each byte: it remembers its position until more bytes have arrived.
#[derive(Debug)]
pub(super) struct Scan {
    /// How many values are missing.
    values: usize,
    /// The length of the values that were found. Longer than what has arrived if the last one has not arrived whole.
    length: usize,
    /// How many bytes after these are known to be the start of a line without its end.
    searched: usize,
}

impl Scan {
    pub(super) fn new(values: usize) -> Self {
        Self { values, length: 0, searched: 0 }
    }

    /// Returns the length in bytes of the values, or `None` if they have not arrived whole. `bytes` are all that have
    /// arrived, with those of the calls before.
    ///
    /// # Errors
    /// The bytes are no reply, or one of more than [`MAX_REPLY`] bytes. Messages that are no reply to a command (`>`) do
    /// not come: the connection subscribes to nothing.
    pub(super) fn resume(&mut self, bytes: &[u8]) -> Result<Option<usize>, InvalidReply> {
        while self.values > 0 && self.next(bytes)? {}
        let is_whole = self.values == 0 && self.length <= bytes.len();
        match if is_whole { self.length } else { self.length.max(bytes.len()) } {
            length if length > MAX_REPLY => Err(InvalidReply::TooLong),
            length => Ok(is_whole.then_some(length)),
        }
    }

    /// Goes past the next value, into an array only. Returns `false` if its line has not arrived whole.
    fn next(&mut self, bytes: &[u8]) -> Result<bool, InvalidReply> {
        let invalid = InvalidReply::Form;
        let Some(rest) = bytes.get(self.length..) else { return Ok(false) };
        let Some(end) = memchr::memchr(b'\n', rest.get(self.searched..).unwrap_or_default()) else {
            self.searched = rest.len();
            return Ok(false);
        };
        let line = rest.get(..self.searched + end).and_then(|line| line.strip_suffix(b"\r"));
        let (kind, line) = line.and_then(<[u8]>::split_first).ok_or(invalid)?;
        let (mut data, mut parts) = (0, 0);
        match kind {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
            b'$' | b'!' | b'=' => {
                if let Some(bytes) = count(line).ok_or(invalid)? {
                    data = bytes.checked_add(2).ok_or(invalid)?;
                }
            }
            b'*' | b'~' => parts = count(line).ok_or(invalid)?.unwrap_or(0),
            b'%' => parts = count(line).ok_or(invalid)?.unwrap_or(0).checked_mul(2).ok_or(invalid)?,
            _ => return Err(invalid),
        }
        // The kind, the line and its end.
        let head = line.len() + 3;
        self.length =
            self.length.checked_add(head).and_then(|length| length.checked_add(data)).ok_or(invalid)?;
        self.values = (self.values - 1).checked_add(parts).ok_or(invalid)?;
        self.searched = 0;
        Ok(true)
    }
}

/// Parses a number of bytes or values: `Some(None)` is the -1 that stands for null.
fn count(line: &[u8]) -> Option<Option<usize>> {
    match line {
        b"-1" => Some(None),
        [] => None,
        digits => digits
            .iter()
            .try_fold(0_usize, |number, digit| {
                let digit = char::from(*digit).to_digit(10)?;
                number.checked_mul(10)?.checked_add(usize::try_from(digit).ok()?)
            })
            .map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A value as a server sends it, up to three levels deep.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let bulk = |kind: char| {
            prop::collection::vec(any::<u8>(), 0..40).prop_map(move |bytes| {
                [format!("{kind}{}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat()
            })
        };
        let line = prop_oneof![
            Just("+OK\r\n"),
            Just("-ERR no\r\n"),
            Just(":-7\r\n"),
            Just("_\r\n"),
            Just("$-1\r\n"),
            Just("*-1\r\n"),
            Just("*0\r\n"),
            Just("#t\r\n"),
            Just(",1.5\r\n"),
            Just("(123\r\n"),
        ]
        .prop_map(|line| line.as_bytes().to_vec());
        let leaf = prop_oneof![line, bulk('$'), bulk('='), bulk('!')];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let many = |kind: char, by: usize| {
                move |items: Vec<Vec<u8>>| {
                    let whole = items.len() / by;
                    [format!("{kind}{whole}\r\n").into_bytes(), items[..whole * by].concat()].concat()
                }
            };
            let items = prop::collection::vec(inner, 0..6);
            prop_oneof![
                items.clone().prop_map(many('*', 1)),
                items.clone().prop_map(many('~', 1)),
                items.prop_map(many('%', 2)),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_reply_ends_where_its_last_value_ends(
            replies in prop::collection::vec(value(), 1..4),
            next in value(),
        ) {
            let whole = replies.concat();
            for end in 0..whole.len() {
                prop_assert_eq!(length(&whole[..end], replies.len()).unwrap(), None, "{} bytes", end);
            }
            let more = [whole.clone(), next].concat();
            prop_assert_eq!(length(&more, replies.len()).unwrap(), Some(whole.len()));
        }

        /// What was scanned is overwritten before the next piece comes: to read it again is an error, or a wrong length.
        #[test]
        fn a_reply_in_pieces_is_scanned_once(
            replies in prop::collection::vec(value(), 1..4),
            pieces in prop::collection::vec(1_usize..9, 1..9),
        ) {
            let whole = replies.concat();
            let mut scan = Scan::new(replies.len());
            let (mut arrived, mut found) = (Vec::new(), None);
            for piece in pieces.into_iter().cycle() {
                prop_assert_eq!(found, None);
                let next = whole.get(arrived.len()..).unwrap_or_default();
                arrived.extend_from_slice(&next[..piece.min(next.len())]);
                found = scan.resume(&arrived).unwrap();
                if arrived.len() == whole.len() {
                    break;
                }
                let scanned = scan.length.min(arrived.len());
                arrived[..scanned].fill(b'\n');
            }
            prop_assert_eq!(found, Some(whole.len()));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), values in 0_usize..4) {
            if let Ok(Some(length)) = length(&bytes, values) {
                prop_assert!(length <= bytes.len());
            }
        }
    }

    /// Its end is searched for in what is new.
    #[test]
    fn a_line_in_pieces_is_searched_once() {
        let mut scan = Scan::new(1);
        let mut arrived = vec![b'+'];
        for _ in 0..50 {
            arrived.extend_from_slice(&[b'a'; 100]);
            assert_eq!(scan.resume(&arrived), Ok(None));
            arrived[1..].fill(b'\n');
        }
        arrived.extend_from_slice(b"\r\n");
        assert_eq!(scan.resume(&arrived), Ok(Some(arrived.len())));
    }

    #[test]
    fn a_reply_has_a_maximum_length() {
        let of = |head: String, data: usize| {
            let mut bytes = head.into_bytes();
            bytes.resize(bytes.len() + data, b'x');
            length(&bytes, 1)
        };
        let longest = MAX_REPLY - "$16777216\r\n\r\n".len();
        assert_eq!(of(format!("${longest}\r\n"), longest + 2), Ok(Some(MAX_REPLY)));
        assert_eq!(of(format!("${}\r\n", longest + 1), 0), Err(InvalidReply::TooLong), "it is announced");
        assert_eq!(of("+".to_owned(), MAX_REPLY - 1), Ok(None));
        assert_eq!(of("+".to_owned(), MAX_REPLY), Err(InvalidReply::TooLong), "a line without an end");
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for bytes in [
            "x\r\n",
            "$x\r\n",
            "$\r\n",
            "*-2\r\n",
            "+OK\n",
            ">2\r\n+a\r\n+b\r\n",
            "$99999999999999999999999\r\n",
        ] {
            assert!(length(bytes.as_bytes(), 1).is_err(), "{bytes:?}");
        }
        let largest = format!("${}\r\n", usize::MAX);
        assert!(length(largest.as_bytes(), 1).is_err());
        assert!(length(format!("%{}\r\n", usize::MAX).as_bytes(), 1).is_err());
    }
}
