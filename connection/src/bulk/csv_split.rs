//! Splits CSV into records while its bytes arrive.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// Maximum length of one record, in bytes. Bounds the memory for a record that never ends. Real
/// records are far shorter, since Salesforce's longest text field has 131,072 characters.
const MAX_RECORD_BYTES: usize = 32 * 1024 * 1024;

/// The column delimiters of the Bulk API 2.0. Source: Bulk API 2.0 and Bulk API Developer Guide, "Create a Job".
const DELIMITERS: [u8; 6] = *b",;\t|^`";

/// Splits a stream of bytes into complete records. A line break inside quotes belongs to its record (RFC 4180).
///
/// Only a quote at the start of a cell opens quotes. An unquoted inch mark (`5" pipe`) is a character like others.
#[derive(Debug)]
pub(crate) struct CsvSplitter {
    buffer: BytesMut,
    /// Number of bytes of the buffer that were searched for the end of a record.
    searched: usize,
    place: Place,
    delimiter: u8,
    /// The search for the header's end, until it is found.
    header: Option<HeaderSearch>,
    /// Number of line breaks before the searched place, and before the current record.
    lines: u64,
    lines_before: u64,
}

/// The search for the end of a header, which says the delimiter. Each byte is looked at once.
#[derive(Debug)]
struct HeaderSearch {
    stated: StatedDelimiter,
    /// Number of bytes before the header.
    start: usize,
    searched: usize,
}

impl HeaderSearch {
    /// Returns whether the header ends in the bytes so far. Names have no line break, so that it ends at the same place with
    /// each delimiter.
    fn is_over(&mut self, csv: &[u8]) -> bool {
        let rest = csv.get(self.start..).unwrap_or_default();
        self.start += rest.len() - from_header(rest).len();
        let from = self.start.max(self.searched);
        self.searched = csv.len();
        csv.get(from..).is_some_and(|rest| memchr::memchr2(b'\n', b'\r', rest).is_some())
    }
}

/// Returns CSV from its header on: without the blank lines, byte order marks and NULs before it. Blanks of other kinds are a
/// name, of a header that no result has.
pub(crate) fn from_header(mut csv: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n' | 0, rest @ ..] | [0xef, 0xbb, 0xbf, rest @ ..] = csv {
        csv = rest;
    }
    csv
}

/// Where the search is in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the header, after this number of bytes of a byte order mark.
    Begin(u8),
    /// Before a cell.
    Start,
    Unquoted,
    Quoted,
    /// After a quote inside quotes, which ends them unless another quote follows.
    AfterQuote,
}

impl Place {
    /// Returns the place after `byte`.
    fn after(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Begin(0) | Self::Start | Self::AfterQuote, 0) => self,
            (Self::Quoted, b'"') => Self::AfterQuote,
            (Self::Quoted, _) | (Self::Begin(0) | Self::Start | Self::AfterQuote, b'"') => Self::Quoted,
            (Self::Begin(0), b'\n' | b'\r') => self,
            // The CSV reader ends a record at a lone carriage return, too.
            (_, b'\n' | b'\r') => Self::Start,
            (_, byte) if byte == delimiter => Self::Start,
            (Self::Begin(0), 0xef) => Self::Begin(1),
            (Self::Begin(1), 0xbb) => Self::Begin(2),
            (Self::Begin(2), 0xbf) => Self::Begin(0),
            _ => Self::Unquoted,
        }
    }

    /// Returns whether a line break that leads to this place ends a record, or a blank line before the header.
    fn is_between_records(self) -> bool {
        matches!(self, Self::Begin(0) | Self::Start)
    }
}

/// Returns complete records without the NULs that stand before or after the quotes of a cell.
///
/// Users reported them in results, also as a last line. There they are part of no value, and a NUL before a quote would make
/// the quotes a part of the value. Within quotes a NUL is text. Unverified: that a real org sends them so.
pub(crate) fn without_stray_nuls(csv: &[u8], delimiter: u8) -> Cow<'_, [u8]> {
    if memchr::memchr(0, csv).is_none() {
        return csv.into();
    }
    let mut place = Place::Start;
    let is_kept = |byte: &u8| {
        let is_stray = *byte == 0 && matches!(place, Place::Start | Place::AfterQuote);
        place = place.after(*byte, delimiter);
        !is_stray
    };
    csv.iter().copied().filter(is_kept).collect::<Vec<u8>>().into()
}

/// The error for a record that is longer than [`MAX_RECORD_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordTooLong;

impl CsvSplitter {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self {
            buffer: BytesMut::new(),
            searched: 0,
            place: Place::Begin(0),
            delimiter,
            header: None,
            lines: 0,
            lines_before: 0,
        }
    }

    /// Splits a result of Salesforce, whose header says its delimiter.
    pub(crate) fn of_result(stated: StatedDelimiter) -> Self {
        Self { header: Some(HeaderSearch { stated, start: 0, searched: 0 }), ..Self::new(b',') }
    }

    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns true if the bytes so far end inside quotes.
    pub(crate) fn is_quoted(&self) -> bool {
        self.place == Place::Quoted
    }

    /// Returns the line in which the current record starts, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.lines_before + 1
    }

    /// Returns the next record with its line break, or `None` if more bytes are needed.
    pub(crate) fn next_record(&mut self) -> Result<Option<Bytes>, RecordTooLong> {
        while let Some(byte) = self.buffer.get(self.searched) {
            self.searched += 1;
            self.place = self.place.after(*byte, self.delimiter);
            if *byte == b'\n' {
                self.lines += 1;
                if self.place.is_between_records() {
                    self.lines_before = self.lines;
                    return Ok(Some(self.take_searched()));
                }
            }
        }
        if self.buffer.len() > MAX_RECORD_BYTES { Err(RecordTooLong) } else { Ok(None) }
    }

    /// Returns all complete records in one piece. It is empty if there are none.
    pub(crate) fn take_complete(&mut self) -> Result<Bytes, RecordTooLong> {
        if let Some(search) = &mut self.header {
            if !search.is_over(&self.buffer) {
                return if self.buffer.len() > MAX_RECORD_BYTES {
                    Err(RecordTooLong)
                } else {
                    Ok(Bytes::new())
                };
            }
            self.delimiter = search.stated.in_header(&self.buffer);
            self.header = None;
        }
        let mut end = 0;
        for (index, byte) in self.buffer.iter().enumerate().skip(self.searched) {
            self.place = self.place.after(*byte, self.delimiter);
            if *byte == b'\n' && self.place.is_between_records() {
                end = index + 1;
            }
        }
        let complete = self.buffer.split_to(end).freeze();
        self.searched = self.buffer.len();
        if self.buffer.len() > MAX_RECORD_BYTES { Err(RecordTooLong) } else { Ok(complete) }
    }

    /// Returns the rest at the end of the stream: a last record without a line break.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        if let Some(search) = self.header.take() {
            self.delimiter = search.stated.in_header(&self.buffer);
        }
        self.searched = self.buffer.len();
        self.take_searched()
    }

    fn take_searched(&mut self) -> Bytes {
        let record = self.buffer.split_to(self.searched).freeze();
        self.searched = 0;
        record
    }
}

/// The column delimiter that a job states, if it is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StatedDelimiter(pub(crate) Option<u8>);

impl StatedDelimiter {
    /// Returns the delimiter of CSV that begins with a header: the stated one, or the first of the others in the header.
    ///
    /// No field's name has one of them. That results come in the job's delimiter is unverified, and a process that has
    /// only a job's id does not know it.
    pub(crate) fn in_header(self, csv: &[u8]) -> u8 {
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let header = from_header(csv).split(is_end).next().unwrap_or_default();
        let is_in = |delimiter: &u8| header.contains(delimiter);
        let first = || header.iter().find(|byte| DELIMITERS.contains(byte)).copied();
        self.0.filter(is_in).or_else(first).or(self.0).unwrap_or(b',')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_without_an_end_is_rejected() {
        let mut splitter = CsvSplitter::new(b',');
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
            let mut splitter = CsvSplitter::new(b',');
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
