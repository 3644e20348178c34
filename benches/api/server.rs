//! A Salesforce with prepared responses, in a process to itself.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use serde_json::json;

pub(crate) const DESCRIBE: &str = "/services/data/v66.0/sobjects/Account/describe";
pub(crate) const ROWS: u64 = 200_000;
pub(crate) const RESULTS: &str = "/services/data/v66.0/jobs/query/750D00000004SkGIAU/results";
const PAGES: u64 = 4;

struct Responses {
    origin: String,
    describe: Vec<u8>,
    rows: Vec<Vec<u8>>,
    /// Whether the token that is rejected was given out.
    was_stale: AtomicBool,
    tokens: AtomicU64,
}

/// Says where it listens, and serves until the process is killed.
pub(crate) fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    println!("{origin}");
    let (was_stale, tokens) = (AtomicBool::new(false), AtomicU64::new(0));
    let rows = (0..PAGES).map(page).collect();
    let responses = Arc::new(Responses { origin, describe: describe(), rows, was_stale, tokens });
    for stream in listener.incoming() {
        let (stream, responses) = (stream.unwrap(), Arc::clone(&responses));
        thread::spawn(move || responses.serve(&stream));
    }
}

fn describe() -> Vec<u8> {
    let field = |n: usize| {
        let values: Vec<_> = (0..if n.is_multiple_of(8) { 20 } else { 0 })
            .map(|n| json!({ "active": true, "defaultValue": false, "label": format!("Value {n}"), "validFor": null, "value": format!("v{n}") }))
            .collect();
        json!({
            "name": format!("Field{n}__c"), "label": format!("Field {n}"), "type": "string", "length": 255, "byteLength": 765,
            "precision": 0, "scale": 0, "digits": 0, "nillable": true, "createable": true, "updateable": true, "custom": true,
            "calculated": false, "filterable": true, "sortable": true, "groupable": true, "unique": false, "externalId": false,
            "caseSensitive": false, "permissionable": true, "referenceTo": [], "relationshipName": null, "inlineHelpText": null,
            "picklistValues": values, "soapType": "xsd:string", "defaultValue": null, "restrictedPicklist": false
        })
    };
    let fields: Vec<_> = (0..800).map(field).collect();
    let flags = ["custom", "createable", "updateable", "deletable", "queryable", "searchable"];
    let mut object = json!({
        "name": "Account", "label": "Account", "labelPlural": "Accounts", "keyPrefix": "001", "fields": fields,
        "childRelationships": [], "recordTypeInfos": [], "urls": {}
    });
    for flag in flags {
        object[flag] = true.into();
    }
    object.to_string().into_bytes()
}

fn page(number: u64) -> Vec<u8> {
    let mut rows = String::from("\"Id\",\"Name\",\"Industry\",\"AnnualRevenue\"\n");
    for n in number * ROWS / PAGES..(number + 1) * ROWS / PAGES {
        rows += &format!("\"001D0000{n:07}\",\"Aurora Instruments {n} \"\"Nord\"\"\",\"Energy\",\"{n}.5\"\n");
    }
    rows.into_bytes()
}

impl Responses {
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        stream.set_nodelay(true).unwrap();
        let mut requests = BufReader::new(stream);
        let mut stream = stream;
        loop {
            let (mut first, mut length, mut is_stale) = (String::new(), 0_u64, false);
            requests.read_line(&mut first).ok().filter(|read| *read > 0)?;
            loop {
                let mut line = String::new();
                requests.read_line(&mut line).ok()?;
                is_stale |= line.contains("!stale");
                match line.to_ascii_lowercase().trim_end().split_once(": ") {
                    Some(("content-length", value)) => length = value.parse().ok()?,
                    Some(_) => {}
                    None => break,
                }
            }
            let mut body = Vec::new();
            let mut request = requests.by_ref().take(length);
            if first.starts_with("PUT") {
                std::io::copy(&mut request, &mut std::io::sink()).ok()?;
            } else {
                request.read_to_end(&mut body).ok()?;
            }
            let target = first.split(' ').nth(1)?;
            let (status, kind, more, body) = self.response(target, &body, is_stale);
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}Content-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&body).ok()?;
        }
    }

    fn response(
        &self,
        target: &str,
        body: &[u8],
        is_stale: bool,
    ) -> (&str, &str, String, std::borrow::Cow<'_, [u8]>) {
        const JSON: &str = "application/json";
        let json =
            |value: serde_json::Value| ("200 OK", JSON, String::new(), value.to_string().into_bytes().into());
        if is_stale {
            let error = br#"[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]"#;
            return ("401 Unauthorized", JSON, String::new(), error.as_slice().into());
        }
        if target.contains("/oauth2/token") {
            self.tokens.fetch_add(1, Ordering::SeqCst);
            let is_stale = String::from_utf8_lossy(body).contains("stale")
                && !self.was_stale.swap(true, Ordering::SeqCst);
            let token = if is_stale { "stale" } else { "fresh" };
            return json(json!({
                "access_token": format!("00D000000000000!{token}"), "instance_url": self.origin, "token_type": "Bearer",
                "id": format!("{}/id/00D000000000000EAA/005000000000000AAA", self.origin), "scope": "api refresh_token",
                "refresh_token": "next"
            }));
        }
        if target == "/tokens" {
            // The next run starts again.
            self.was_stale.store(false, Ordering::SeqCst);
            return json(self.tokens.swap(0, Ordering::SeqCst).into());
        }
        if target == DESCRIBE {
            return ("200 OK", JSON, String::new(), self.describe.as_slice().into());
        }
        if let Some((_, page)) = target.split_once("/results?locator=") {
            let rows = &self.rows[page.parse::<usize>().unwrap()];
            let count = format!("Sforce-NumberOfRecords: {}\r\n", ROWS / PAGES);
            return ("200 OK", "text/csv", count, rows.as_slice().into());
        }
        if target.ends_with("/resultPages") {
            let pages: Vec<_> =
                (0..PAGES).map(|n| json!({ "resultUrl": format!("{RESULTS}?locator={n}") })).collect();
            return json(json!({ "resultPages": pages, "done": true }));
        }
        if target.contains("/jobs/") {
            return json(json!({ "id": "750D00000004SkGIAU", "state": "JobComplete", "object": "Account" }));
        }
        json(json!({ "DailyApiRequests": { "Max": 15000, "Remaining": 14998 } }))
    }
}
