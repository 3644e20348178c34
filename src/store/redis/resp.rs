//! Finds the end of a reply in the bytes of a connection (Redis serialization protocol specification, RESP2 and RESP3).

use std::io::{self, ErrorKind};

/// Returns the length in bytes of the first `values` values, or `None` if they have not arrived whole.
///
/// # Errors
/// The bytes are no reply. Messages that are no reply to a command (`>`) do not come: the connection subscribes to
/// nothing.
pub(super) fn length(bytes: &[u8], mut values: usize) -> io::Result<Option<usize>> {
    let invalid = || io::Error::from(ErrorKind::InvalidData);
    let mut length = 0_usize;
    while values > 0 {
        let Some((kind, line)) = bytes.get(length..).and_then(<[u8]>::split_first) else { return Ok(None) };
        let Some(end) = memchr::memchr(b'\n', line) else { return Ok(None) };
        let line = line.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or_else(invalid)?;
        let parts = match kind {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => 0,
            b'$' | b'!' | b'=' => {
                length = match count(line).ok_or_else(invalid)? {
                    Some(bytes) => length.checked_add(bytes).and_then(|length| length.checked_add(2)),
                    None => Some(length),
                }
                .ok_or_else(invalid)?;
                0
            }
            b'*' | b'~' => count(line).ok_or_else(invalid)?.unwrap_or(0),
            b'%' => count(line).ok_or_else(invalid)?.unwrap_or(0).checked_mul(2).ok_or_else(invalid)?,
            _ => return Err(invalid()),
        };
        // The kind, the line and its end.
        length = length.checked_add(line.len() + 3).ok_or_else(invalid)?;
        values = (values - 1).checked_add(parts).ok_or_else(invalid)?;
    }
    Ok((length <= bytes.len()).then_some(length))
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

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), values in 0_usize..4) {
            if let Ok(Some(length)) = length(&bytes, values) {
                prop_assert!(length <= bytes.len());
            }
        }
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
