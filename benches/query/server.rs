//! A server that has all responses ready in memory, so that it is not what is measured.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

pub(crate) const PAGES: usize = 100;
pub(crate) const RECORDS: usize = 2_000 * PAGES;
/// Where a page is, but for its number.
pub(crate) const NEXT: &str = "/services/data/v66.0/query/01gD0000002HU6KIAW";

pub(crate) struct Server {
    pub(crate) origin: String,
    pages: Arc<Pages>,
}

/// The responses, as they are and compressed.
struct Pages {
    plain: Vec<Vec<u8>>,
    gzip: Option<Vec<Vec<u8>>>,
}

impl Server {
    /// A thread for each connection; they end with the process. As at Salesforce, only a client that accepts gzip gets it.
    pub(crate) fn start(gzip: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let pages = |gzip| (0..PAGES).map(|number| response(&page(number), gzip)).collect();
        let pages = Arc::new(Pages { plain: pages(false), gzip: gzip.then(|| pages(true)) });
        let (all, own) = (Arc::clone(&pages), origin.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (pages, own) = (Arc::clone(&all), own.clone());
                thread::spawn(move || serve(&stream.unwrap(), &pages, &own));
            }
        });
        Self { origin, pages }
    }

    /// Of all pages, heads included.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.gzip.as_ref().unwrap_or(&self.pages.plain).iter().map(Vec::len).sum()
    }
}

fn page(number: usize) -> Value {
    let records: Vec<_> = (number * 2_000..(number + 1) * 2_000).map(record).collect();
    let mut page = json!({ "totalSize": RECORDS, "done": number + 1 == PAGES, "records": records });
    if number + 1 < PAGES {
        page["nextRecordsUrl"] = format!("{NEXT}-{}", number + 1).into();
    }
    page
}

fn record(n: usize) -> Value {
    // Of 15 characters: the three that check it depend on upper case only, of which there are always the same.
    let id = format!("001D0000{n:07}");
    let industry = ["Energy", "Banking", "Biotechnology"].get(n % 4);
    let revenue = n as f64 * 1_000.5;
    let city = ["Z\u{fc}rich", "Berlin", "Saint-\u{c9}tienne", "Oslo"][n % 4];
    json!({
        "attributes": { "type": "Account", "url": format!("/services/data/v66.0/sobjects/Account/{id}") },
        "Id": id,
        "Name": format!("Aurora Instruments {n} \"Nord\""),
        "Industry": industry,
        "Phone": format!("+49 30 {n:07}"),
        "BillingCity": city,
        "AnnualRevenue": revenue,
        "NumberOfEmployees": n % 5_000,
        "CreatedDate": format!("2026-0{}-1{}T08:{:02}:00.000+0000", n % 9 + 1, n % 10, n % 60)
    })
}

fn response(body: &Value, gzip: bool) -> Vec<u8> {
    let mut body = body.to_string().into_bytes();
    let mut encoding = "";
    if gzip {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&body).unwrap();
        (body, encoding) = (encoder.finish().unwrap(), "Content-Encoding: gzip\r\n");
    }
    let mut response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n{encoding}\
         Sforce-Limit-Info: api-usage=7/15000\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend(body);
    response
}

/// Serves one connection until it closes.
fn serve(stream: &TcpStream, pages: &Pages, origin: &str) {
    stream.set_nodelay(true).unwrap();
    let mut requests = BufReader::new(stream);
    let mut stream = stream;
    loop {
        let (mut target, mut length, mut accepts_gzip) = (String::new(), 0, false);
        loop {
            let mut line = String::new();
            if !requests.read_line(&mut line).is_ok_and(|read| read > 0) {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            } else if target.is_empty() {
                target = line.split(' ').nth(1).unwrap().to_owned();
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            } else if let Some(value) = line.strip_prefix("accept-encoding:") {
                accepts_gzip = value.contains("gzip");
            }
        }
        requests.read_exact(&mut vec![0; length]).unwrap();
        let number = match target.rsplit_once('-') {
            Some((path, number)) if path.ends_with(&NEXT.to_ascii_lowercase()) => number.parse().ok(),
            _ => target.contains("/query?q=").then_some(0),
        };
        let pages = pages.gzip.as_ref().filter(|_| accepts_gzip).unwrap_or(&pages.plain);
        let sent = match number {
            Some(number) => stream.write_all(&pages[usize::min(number, PAGES - 1)]),
            None => stream.write_all(&response(&token(origin), false)),
        };
        if sent.is_err() {
            return;
        }
    }
}

fn token(origin: &str) -> Value {
    json!({
        "access_token": "00D000000000000!benchmark",
        "instance_url": origin,
        "id": format!("{origin}/id/00D000000000000EAA/005000000000000AAA"),
        "token_type": "Bearer",
        "scope": "api refresh_token",
    })
}
