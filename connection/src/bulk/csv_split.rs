//! Splits CSV into records while its bytes arrive.

use bytes::{Bytes, BytesMut};

/// Maximum length of one record, in bytes. Bounds the memory for a record that never ends. Real
/// records are far shorter, since Salesforce's longest text field has 131,072 characters.
const MAX_RECORD_BYTES: usize = 32 * 1024 * 1024;

/// Splits a stream of bytes into complete records. A line break inside quotes belongs to its record (RFC 4180).
#[derive(Debug, Default)]
pub(crate) struct CsvSplitter {
    buffer: BytesMut,
    /// Number of bytes of the buffer that were searched for the end of a record.
    searched: usize,
    /// Whether the search is inside quotes.
    quoted: bool,
}

/// The error for a record that is longer than [`MAX_RECORD_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordTooLong;

impl CsvSplitter {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next record with its line break, or `None` if more bytes are needed.
    pub(crate) fn next_record(&mut self) -> Result<Option<Bytes>, RecordTooLong> {
        while let Some(byte) = self.buffer.get(self.searched) {
            self.searched += 1;
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\n' if !self.quoted => return Ok(Some(self.take_searched())),
                _ => {}
            }
        }
        if self.buffer.len() > MAX_RECORD_BYTES { Err(RecordTooLong) } else { Ok(None) }
    }

    /// Returns all complete records in one piece. It is empty if there are none.
    pub(crate) fn take_complete(&mut self) -> Result<Bytes, RecordTooLong> {
        let mut end = 0;
        for (index, byte) in self.buffer.iter().enumerate().skip(self.searched) {
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\n' if !self.quoted => end = index + 1,
                _ => {}
            }
        }
        let complete = self.buffer.split_to(end).freeze();
        self.searched = self.buffer.len();
        if self.buffer.len() > MAX_RECORD_BYTES { Err(RecordTooLong) } else { Ok(complete) }
    }

    /// Returns the rest at the end of the stream: a last record without a line break.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        self.searched = self.buffer.len();
        self.take_searched()
    }

    fn take_searched(&mut self) -> Bytes {
        let record = self.buffer.split_to(self.searched).freeze();
        self.searched = 0;
        record
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_without_an_end_is_rejected() {
        let mut splitter = CsvSplitter::default();
        splitter.push(b"\"");
        for _ in 0..=MAX_RECORD_BYTES / (1024 * 1024) {
            splitter.push(&vec![b'\n'; 1024 * 1024]);
        }
        assert_eq!(splitter.next_record(), Err(RecordTooLong));
    }

    proptest! {
        /// The records are the written ones, however the bytes arrive.
        #[test]
        fn records_are_split_where_they_end(
            cells in prop::collection::vec("[a,\"\r\n é]{0,6}", 1..20),
            sizes in prop::collection::vec(1..7_usize, 1..20),
            whole_chunks in any::<bool>(),
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
            let mut splitter = CsvSplitter::default();
            let (mut split, mut rest, mut sizes) = (Vec::new(), bytes.as_slice(), sizes.iter().cycle());
            while !rest.is_empty() {
                let (piece, remaining) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                rest = remaining;
                splitter.push(piece);
                if whole_chunks {
                    split.push(splitter.take_complete().unwrap().to_vec());
                } else {
                    while let Some(record) = splitter.next_record().unwrap() {
                        split.push(record.to_vec());
                    }
                }
            }
            prop_assert!(splitter.take_rest().is_empty());
            if whole_chunks {
                prop_assert_eq!(split.concat(), bytes);
            } else {
                prop_assert_eq!(split, written);
            }
        }
    }
}
