//! Promise 9: a long query costs bounded memory, also through a handler to a slow client (F-31, F-32).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod support;

use std::{io::Read as _, time::Duration};

use salesforce_fake_org::{FakeOrg, Fault};
use support::{ADA, World, raw};

async fn world(rows: u64, page: usize) -> World {
    let org = FakeOrg::builder().rows(rows).page_size(page).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    World::around(org, |builder| builder).await
}

fn pages(world: &World) -> usize {
    world.org.requests().iter().filter(|request| request.path.contains("/query")).count()
}

#[actix_web::test]
async fn rows_are_streamed_as_lines_and_as_an_array() {
    for rows in [0, 1, 450] {
        let world = world(rows, 200).await;
        let browser = world.logged_in().await;
        let lines = browser.fetch(&world.url("/streamed/lines")).await.body;
        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let array = browser.fetch(&world.url("/streamed/array")).await.json();
        assert_eq!(array.as_array().unwrap(), &lines);
        assert_eq!(lines.len() as u64, rows);
    }
}

/// What is cut off does not look complete.
#[actix_web::test]
async fn an_error_in_the_middle_breaks_the_answer() {
    let world = world(450, 200).await;
    let browser = world.logged_in().await;
    world.org.faults().query(Fault::Garbage.times(1).skip(1));
    let cookies = browser.cookie_line();
    let url = world.app.url.clone();
    let answer = tokio::task::spawn_blocking(move || {
        raw::get(&url, "/streamed/array", format!("Cookie: {cookies}\r\n").as_bytes())
    })
    .await
    .unwrap();
    assert!(answer.contains("200 OK") && !answer.contains("0\r\n\r\n") && !answer.trim_end().ends_with(']'));
}

#[actix_web::test]
async fn a_client_that_leaves_after_one_page_costs_two_more_at_most() {
    let world = world(60_000, 200).await;
    let browser = world.logged_in().await;
    world.org.clear_requests();
    let (url, cookies) = (world.app.url.clone(), browser.cookie_line());
    tokio::task::spawn_blocking(move || {
        let mut stream = raw::begin(&url, "/streamed/lines", &cookies);
        stream.read_exact(&mut [0; 2_000]).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = pages(&world);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(pages(&world), asked, "nothing goes on without a reader");
    // What fits into the sockets' buffers was read ahead; the rest of the pages was not.
    assert!(asked < 200, "{asked} of 300 pages");
}
