//! How long an event takes to the pages of a thousand browsers, of which a hundred do not read. The app is in a process to
//! itself.

use std::{
    env,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix_salesforce::{Connection, feed::Feed};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, rt::System, web};
use reqwest::{Client, Response, redirect::Policy};
use salesforce_fake_org::FakeOrg;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    consumer,
    figures::status,
    order::{self, TOPIC},
};

const BROWSERS: usize = 1_000;
const SLOW: usize = 100;
/// A login has six streams at most.
const OF_LOGIN: usize = 5;
const EVENTS: usize = 200;
const INTERVAL: Duration = Duration::from_millis(50);
/// What each event is in the stream.
const MESSAGE: &[u8] = b"event: published";

/// Ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn live(request: HttpRequest, feed: web::Data<Feed>) -> Result<HttpResponse, Error> {
    feed.respond(&request).await
}

/// Serves the app until the process is killed. The last part of `address` is its port.
pub(crate) fn serve(address: &str) {
    let (org, port) = address.rsplit_once(' ').unwrap();
    let port: u16 = port.parse().unwrap();
    System::new().block_on(async {
        let salesforce = consumer::salesforce(org).public_url(format!("http://127.0.0.1:{port}"));
        let salesforce = salesforce.build().await.unwrap();
        let feed = web::Data::new(salesforce.feed(TOPIC));
        let app = move || {
            App::new().app_data(feed.clone()).wrap(salesforce.clone()).route("/live", web::get().to(live))
        };
        let server = HttpServer::new(app).workers(1).bind(("127.0.0.1", port)).unwrap();
        println!("{port}");
        server.run().await.unwrap();
    });
}

/// Opens the pages, publishes, and prints how long the events took to those that read.
pub(crate) async fn report(org: &FakeOrg, sf: &Connection) {
    org.sign_in(&org.users()[0]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(env::current_exe().unwrap());
    command.env("EVENTS_BENCH_APP", format!("{} {port}", consumer::address(org)));
    let mut app = Process(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(app.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();

    let http = Client::builder().redirect(Policy::none()).build().unwrap();
    let mut cookies = Vec::new();
    for _ in 0..BROWSERS.div_ceil(OF_LOGIN) {
        cookies.push(log_in(&http, port).await);
    }
    let published = Arc::new(Mutex::new(Vec::new()));
    let late = Arc::new(Mutex::new(Vec::new()));
    let (open, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut slow = Vec::new();
    for number in 0..BROWSERS {
        let stream = connect(port, &cookies[number / OF_LOGIN]).await;
        if number < SLOW {
            // It is open, and nothing reads it.
            slow.push(stream);
            continue;
        }
        let (published, late) = (Arc::clone(&published), Arc::clone(&late));
        let (open, done) = (Arc::clone(&open), Arc::clone(&done));
        tokio::spawn(async move {
            read(stream, &open, &published, &late).await;
            done.fetch_add(1, Ordering::SeqCst);
        });
    }
    let readers = BROWSERS - SLOW;
    until(|| open.load(Ordering::SeqCst) == readers).await;
    let pid = app.0.id();
    let memory = || status(&format!("/proc/{pid}/status"), "VmRSS:").unwrap();
    let before = memory();
    for number in 0..EVENTS {
        published.lock().unwrap().push(Instant::now());
        sf.publish(TOPIC).send(&[order::data(u32::try_from(number).unwrap())]).await.unwrap();
        tokio::time::sleep(INTERVAL).await;
    }
    until(|| done.load(Ordering::SeqCst) == readers).await;
    let mut late = std::mem::take(&mut *late.lock().unwrap());
    late.sort();
    let at = |part: f64| late[((late.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "\n| {BROWSERS} browsers, {SLOW} of them do not read | median, ms | 99 %, ms | latest, ms | grows by MiB |"
    );
    println!("|---|---|---|---|---|");
    println!(
        "| {EVENTS} events, to the others | {:.1} | {:.1} | {:.1} | {:.1} |",
        at(0.5),
        at(0.99),
        at(1.0),
        memory().saturating_sub(before) as f64 / 1024.0
    );
}

async fn until(holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "it takes too long");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn connect(port: u16, cookie: &str) -> TcpStream {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
    let request = format!(
        "GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\nCookie: {cookie}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads a stream until all events came, and notes how long after its publication each one did.
async fn read(
    mut stream: TcpStream,
    open: &AtomicUsize,
    published: &Mutex<Vec<Instant>>,
    late: &Mutex<Vec<Duration>>,
) {
    let (mut bytes, mut from, mut count) = (Vec::new(), 0, 0);
    while count < EVENTS {
        let begins = bytes.is_empty();
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "{}", String::from_utf8_lossy(&bytes));
        if begins {
            assert!(bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes));
            open.fetch_add(1, Ordering::SeqCst);
        }
        let now = Instant::now();
        while let Some(at) = bytes[from..].windows(MESSAGE.len()).position(|part| part == MESSAGE) {
            from += at + MESSAGE.len();
            late.lock().unwrap().push(now - published.lock().unwrap()[count]);
            count += 1;
        }
    }
}

/// Logs in as a browser does, and returns the cookie of the login.
async fn log_in(http: &Client, port: u16) -> String {
    let login = http.get(format!("http://127.0.0.1:{port}/auth/salesforce/login")).send().await.unwrap();
    let pending = cookies(&login);
    let authorized = http.get(location(&login)).send().await.unwrap();
    let callback = http.get(location(&authorized)).header("cookie", pending).send().await.unwrap();
    assert!(callback.status().is_redirection(), "{}", callback.status());
    cookies(&callback)
}

fn location(response: &Response) -> &str {
    response.headers()["location"].to_str().unwrap()
}

/// Those that a response sets.
fn cookies(response: &Response) -> String {
    let cookies = response.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let set = cookies.filter(|cookie| !cookie.contains("Max-Age=0"));
    set.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}
