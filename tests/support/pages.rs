//! An instance of Salesforce that serves queries only, with as many rows as wanted: two pages are all that it holds.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::json;

/// Where the pages of the query are, but for their number.
const NEXT: &str = "/services/data/v66.0/query/01gD0000002HU6KIAW-";

pub struct Pages {
    pub url: String,
    asked: Arc<AtomicUsize>,
    pub bytes_a_page: usize,
}

impl Pages {
    /// Pages of this many rows, all alike. Each row has one `~` in its name, to be counted by. The threads end with the
    /// process.
    pub fn start(pages: usize, rows: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let records: Vec<_> = (0..rows)
            .map(|n| {
                json!({
                    "attributes": { "type": "Account", "url": "/services/data/v66.0/sobjects/Account/001D000000IqhSL" },
                    "Id": "001D000000IqhSLIAZ",
                    "Name": format!("Aurora Instruments ~{n}"),
                    "Phone": "+49 30 123456",
                    "Industry": "Energy",
                })
            })
            .collect();
        let records = serde_json::to_string(&records).expect("JSON");
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, bytes_a_page) = (Arc::clone(&asked), records.len());
        thread::spawn(move || {
            let records = Arc::new(records);
            for stream in listener.incoming().flatten() {
                let (records, count) = (Arc::clone(&records), Arc::clone(&count));
                thread::spawn(move || serve(&stream, &records, rows, pages, &count));
            }
        });
        Self { url, asked, bytes_a_page }
    }

    /// How many pages were asked for.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn serve(stream: &TcpStream, records: &str, rows: usize, pages: usize, asked: &AtomicUsize) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let mut stream = stream;
    loop {
        let first = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        if !first.contains("/query") {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        }
        asked.fetch_add(1, Ordering::SeqCst);
        let number = first
            .split(' ')
            .nth(1)?
            .strip_prefix(NEXT)
            .map_or(0, |number| number.parse().expect("the number of a page"));
        let next = match number + 1 {
            next if next < pages => format!(r#""done":false,"nextRecordsUrl":"{NEXT}{next}""#),
            _ => r#""done":true"#.to_owned(),
        };
        let start = format!(r#"{{"totalSize":{},{next},"records":"#, rows * pages);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{start}",
            start.len() + records.len() + 1
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(records.as_bytes()).ok()?;
        stream.write_all(b"}").ok()?;
    }
}
