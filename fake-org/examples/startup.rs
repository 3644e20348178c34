//! How long an org takes from `FakeOrg::start()` to its first response, in the same process.
//!
//! `cargo run -p salesforce-fake-org --example startup [-- STARTS]` prints the fastest, the median and the slowest.
#![allow(clippy::print_stdout, reason = "a program's output is its purpose")]

use std::time::{Duration, Instant};

use salesforce_fake_org::FakeOrg;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let starts = std::env::args().nth(1).map_or(Ok(50), |n| n.parse())?;
    let mut times = Vec::new();
    for _ in 0..starts {
        times.push(start_and_ask().await?);
    }
    times.sort_unstable();
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    let (fastest, median, slowest) = (at(0), at(times.len() / 2), at(times.len().saturating_sub(1)));
    println!(
        "{starts} starts to the first response: {fastest:.1?} fastest, {median:.1?} median, {slowest:.1?} slowest"
    );
    Ok(())
}

/// From the call to the last byte of a response that needs the data: a query for a record.
async fn start_and_ask() -> Result<Duration, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let org = FakeOrg::start().await?;
    let token = org.issue_tokens(&org.user("ada@example.com"), "api").access_token;
    let instance = org.instance_url();
    let host = instance.trim_start_matches("http://");
    let mut socket = TcpStream::connect(host).await?;
    let request = format!(
        "GET /services/data/v66.0/query?q=SELECT+Name+FROM+Account+LIMIT+1 HTTP/1.1\r\nhost: {host}\r\n\
         authorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    socket.read_to_string(&mut response).await?;
    let took = begun.elapsed();
    if !response.starts_with("HTTP/1.1 200") {
        return Err(response.into());
    }
    Ok(took)
}
