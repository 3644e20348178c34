//! The CSV of a job's results.

use std::collections::BTreeMap;

use salesforce_connection::test_parsers;

/// The CSV of a job's results: each row has each column, and pieces of any size have the rows of the whole.
pub(crate) fn rows(data: &[u8]) {
    let Some((size, body)) = data.split_first() else { return };
    let whole = test_parsers::csv(body);
    if let Ok(rows) = &whole {
        let columns: Vec<_> = rows.first().map(|row| row.keys().collect()).unwrap_or_default();
        assert!(rows.iter().all(|row| row.keys().eq(columns.iter().copied())), "{rows:?}");
    }
    let size = usize::from(*size).max(1);
    match (&whole, test_parsers::csv_in_pieces(body, size)) {
        (Ok(whole), Ok(pieces)) => assert_eq!(*whole, pieces),
        (Err(_), Err(_)) => {}
        (whole, pieces) => panic!("{whole:?} at once, {pieces:?} in pieces"),
    }
    let records = test_parsers::csv_records(body, size).unwrap();
    assert_eq!(records.concat(), body);
    // A NUL outside quotes is text for the crate `csv`.
    if let Ok(rows) = whole
        && !body.contains(&0)
    {
        let from_header = from_header(body);
        let is_same = |delimiter: &u8| rows_of_crate(from_header, *delimiter).as_ref() == Some(&rows);
        assert!(b",;\t|^`".iter().any(is_same), "{rows:?} is not what the crate `csv` reads");
    }
}

/// Returns CSV without the blank lines and byte order marks before its header. For the crate `csv` a mark behind a blank line is
/// a part of the first name, which no name of Salesforce has.
fn from_header(csv: &[u8]) -> &[u8] {
    let rest =
        csv.strip_prefix("\u{feff}".as_bytes()).or(csv.strip_prefix(b"\n")).or(csv.strip_prefix(b"\r"));
    rest.map_or(csv, from_header)
}

/// Reads CSV with the crate `csv` alone. `None` if a row has another number of cells than the header.
fn rows_of_crate(body: &[u8], delimiter: u8) -> Option<Vec<BTreeMap<String, String>>> {
    let mut reader = ::csv::ReaderBuilder::new().delimiter(delimiter).from_reader(body);
    let header = reader.headers().ok()?.clone();
    let named = |row: ::csv::StringRecord| {
        header.iter().zip(row.iter()).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
    };
    reader.records().map(|row| row.ok().map(named)).collect()
}
