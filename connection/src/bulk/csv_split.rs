//! Where a record of CSV ends, found while its bytes come in.

use bytes::{Bytes, BytesMut};

/// The largest record that is held.
const MAX_RECORD: usize = 32 * 1024 * 1024;

/// Cuts a stream of bytes into whole records. A line break inside quotes belongs to its record (RFC 4180).
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    held: BytesMut,
    /// How much of it was looked at.
    seen: usize,
    quoted: bool,
}

/// A record that has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Cutter {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next record with its line break; `None` when more bytes are needed.
    pub(crate) fn record(&mut self) -> Result<Option<Bytes>, TooLong> {
        while let Some(byte) = self.held.get(self.seen) {
            self.seen += 1;
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\n' if !self.quoted => return Ok(Some(self.take())),
                _ => {}
            }
        }
        if self.held.len() > MAX_RECORD { Err(TooLong) } else { Ok(None) }
    }

    /// All records that are whole, in one piece; empty when there is none.
    pub(crate) fn records(&mut self) -> Result<Bytes, TooLong> {
        let mut end = 0;
        for (at, byte) in self.held.iter().enumerate().skip(self.seen) {
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\n' if !self.quoted => end = at + 1,
                _ => {}
            }
        }
        let whole = self.held.split_to(end).freeze();
        self.seen = self.held.len();
        if self.held.len() > MAX_RECORD { Err(TooLong) } else { Ok(whole) }
    }

    /// What is left at the end: a last record without a line break.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.seen = self.held.len();
        self.take()
    }

    fn take(&mut self) -> Bytes {
        let record = self.held.split_to(self.seen).freeze();
        self.seen = 0;
        record
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_that_never_ends_is_not_held_for_ever() {
        let mut cutter = Cutter::default();
        cutter.push(b"\"");
        for _ in 0..=MAX_RECORD / (1024 * 1024) {
            cutter.push(&vec![b'\n'; 1024 * 1024]);
        }
        assert_eq!(cutter.record(), Err(TooLong));
    }

    proptest! {
        /// However the bytes come in, the records are those that were written.
        #[test]
        fn records_are_cut_where_they_end(
            cells in prop::collection::vec("[a,\"\r\n é]{0,6}", 1..20),
            sizes in prop::collection::vec(1..7_usize, 1..20),
            at_once in any::<bool>(),
        ) {
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            let mut written = Vec::new();
            for cell in &cells {
                let before = writer.get_ref().len();
                writer.write_record([cell.as_str(), "x"]).unwrap();
                writer.flush().unwrap();
                written.push(writer.get_ref()[before..].to_vec());
            }
            let bytes = writer.into_inner().unwrap();
            let mut cutter = Cutter::default();
            let (mut cut, mut rest, mut sizes) = (Vec::new(), bytes.as_slice(), sizes.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                rest = later;
                cutter.push(now);
                if at_once {
                    cut.push(cutter.records().unwrap().to_vec());
                } else {
                    while let Some(record) = cutter.record().unwrap() {
                        cut.push(record.to_vec());
                    }
                }
            }
            prop_assert!(cutter.rest().is_empty());
            if at_once {
                prop_assert_eq!(cut.concat(), bytes);
            } else {
                prop_assert_eq!(cut, written);
            }
        }
    }
}
