//! Large pages: decoded on another thread, while the page after them is on its way.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use serde::{Deserialize, Deserializer};

use crate::tests::*;

const QUERY: &str = "/services/data/v66.0/query";
const ROWS: usize = 100;

/// Starts a server whose queries have `pages` pages of 100 rows of this size.
async fn paged(pages: usize, row: usize, seen: &'static AtomicUsize) -> Server {
    Server::start(move |request| {
        seen.fetch_add(1, Ordering::SeqCst);
        let first = request.target.rsplit('-').next().and_then(|first| first.parse().ok()).unwrap_or(0);
        let (after, total) = (first + ROWS, pages * ROWS);
        let text = "x".repeat(row);
        let rows: Vec<_> = (first..after).map(|n| json!({ "N": n, "Text": text })).collect();
        // The cursor before the records, as Salesforce writes it.
        let next = format!("{QUERY}/01gD0000002HU6KIAW-{after}");
        match after < total {
            true => json!({ "totalSize": total, "done": false, "nextRecordsUrl": next, "records": rows }),
            false => json!({ "totalSize": total, "done": true, "records": rows }),
        }
        .into()
    })
    .await
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "N")]
    n: usize,
}

/// Decoding the first row of the first page takes until the second page was requested.
struct Patient(usize);

static PATIENT_SEEN: AtomicUsize = AtomicUsize::new(0);

impl<'de> Deserialize<'de> for Patient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Row { n } = Row::deserialize(deserializer)?;
        let begun = Instant::now();
        while n == 0 && PATIENT_SEEN.load(Ordering::SeqCst) < 2 {
            assert!(begun.elapsed() < Duration::from_secs(10), "the second page was not requested");
            thread::sleep(Duration::from_millis(1));
        }
        Ok(Self(n))
    }
}

#[tokio::test]
async fn the_page_after_a_large_one_is_on_its_way_while_that_is_decoded() {
    let server = paged(3, 2_000, &PATIENT_SEEN).await;
    let sf = connect(&server);
    let rows: Vec<Patient> = sf.query("SELECT N FROM A").fetch_all().await.unwrap();
    assert!(rows.iter().map(|row| row.0).eq(0..3 * ROWS), "in order, each once");
    assert_eq!(server.count("GET"), 3);
}

/// A row that knows where it was decoded.
struct Located(ThreadId);

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Row::deserialize(deserializer)?;
        Ok(Self(thread::current().id()))
    }
}

/// The thread of the reader serves others meanwhile. A small page takes less time than waking another thread up.
#[tokio::test]
async fn large_pages_are_decoded_on_another_thread() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    for (row, elsewhere) in [(2_000, true), (10, false)] {
        let server = paged(2, row, &SEEN).await;
        let rows: Vec<Located> = connect(&server).query("SELECT N FROM A").fetch_all().await.unwrap();
        let threads: HashSet<_> = rows.iter().map(|row| row.0).collect();
        assert_eq!(threads.contains(&thread::current().id()), !elsewhere, "rows of {row} bytes");
    }
}

/// The rest of the children comes with a second request, and the page is decoded once more.
#[tokio::test]
async fn a_large_page_with_more_children_is_decoded_on_another_thread() {
    struct Parent(ThreadId);

    impl<'de> Deserialize<'de> for Parent {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            #[derive(Deserialize)]
            struct Raw {
                #[serde(deserialize_with = "crate::serde_helpers::child_records")]
                children: Vec<Row>,
            }
            assert_eq!(Raw::deserialize(deserializer)?.children.len(), 2);
            Ok(Self(thread::current().id()))
        }
    }
    let server = Server::start(|request| {
        let children = |n: usize, done: bool| {
            let text = "x".repeat(100_000);
            let next = (!done).then(|| format!("{QUERY}/01gD-1"));
            json!({ "totalSize": 2, "done": done, "nextRecordsUrl": next, "records": [{ "N": n, "Text": text }] })
        };
        match request.target.contains("01gD") {
            true => children(1, true).into(),
            false => json!({ "totalSize": 1, "done": true, "records": [{ "children": children(0, false) }] }).into(),
        }
    })
    .await;
    let rows: Vec<Parent> = connect(&server).query("SELECT N FROM A").fetch_all().await.unwrap();
    assert_ne!(rows[0].0, thread::current().id());
}

/// Rows that are counted while they are in memory.
struct Counted;

static COUNTED: Mutex<(usize, usize)> = Mutex::new((0, 0));

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Row::deserialize(deserializer)?;
        let (now, most) = &mut *COUNTED.lock().unwrap();
        *now += 1;
        *most = (*most).max(*now);
        Ok(Self)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COUNTED.lock().unwrap().0 -= 1;
    }
}

#[tokio::test]
async fn two_large_pages_at_most_are_in_memory() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let server = paged(10, 2_000, &SEEN).await;
    let mut rows = connect(&server).query::<Counted>("SELECT N FROM A").fetch();
    assert!(rows.try_next().await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.count("GET"), 2, "one page is ahead of a reader that stops");
    let mut read = 1;
    while rows.try_next().await.unwrap().is_some() {
        read += 1;
    }
    assert_eq!((read, server.count("GET")), (10 * ROWS, 10));
    assert!(COUNTED.lock().unwrap().1 <= 2 * ROWS, "{:?}", COUNTED.lock().unwrap());
}
