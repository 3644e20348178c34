//! The `fleet` example as its README has it: instances behind a real balancer, on one Redis.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use crate::support::{Client, Page};
use reqwest::Method;

/// The script and all that it starts.
struct Fleet {
    script: Child,
    url: String,
    org: String,
    instances: Vec<String>,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // As Ctrl-C: its own processes are its own to end.
        let _ = Command::new("kill").args(["-TERM", &self.script.id().to_string()]).status();
        let _ = self.script.wait();
    }
}

impl Fleet {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/fleet/run");
        let mut script = Command::new(script).stdout(Stdio::piped()).spawn().expect("bash runs it");
        let mut said = String::new();
        let mut lines = BufReader::new(script.stdout.take().expect("piped"));
        while !said.contains("the fake Salesforce is at") {
            assert!(lines.read_line(&mut said).unwrap() > 0, "it ended; it said: {said}");
        }
        let after = |words: &str| {
            let rest = said.split_once(words).unwrap_or_else(|| panic!("{words}: {said}")).1;
            rest.lines().next().unwrap().split(',').next().unwrap().trim().to_owned()
        };
        Self {
            url: after("instances behind "),
            org: after("the fake Salesforce is at "),
            instances: after("instances are the processes ").split(' ').map(str::to_owned).collect(),
            script,
        }
    }

    /// Whom the instances know this browser as, in so many requests, and which instances responded.
    async fn asked(&self, browser: &Client, times: usize) -> (HashSet<String>, HashSet<String>) {
        let mut pages: Vec<Page> = Vec::new();
        for _ in 0..times {
            let page = browser.fetch(&format!("{}/whoami", self.url)).await;
            assert_eq!(page.status, 200, "{page:?}");
            pages.push(page);
        }
        let who = pages.iter().map(|page| page.json()["username"].to_string()).collect();
        (who, pages.iter().map(|page| page.header("x-instance").to_owned()).collect())
    }
}

#[actix_web::test]
async fn instances_behind_a_balancer_share_logins_and_outlive_each_other() {
    let fleet = Fleet::start();
    let browser = Client::new();
    let headers = [("content-type", "application/json")];
    let ada = r#"{"username":"ada@example.com"}"#;
    let page = browser.send(Method::POST, &format!("{}/fake/sign-in", fleet.org), &headers, Some(ada)).await;
    assert!(page.status < 300, "{page:?}");
    let home = browser.visit(&format!("{}/auth/salesforce/login?return_to=/", fleet.url)).await;
    assert!(home.body.contains(home.header("x-instance")), "the page says which instance made it: {home:?}");

    let (who, instances) = fleet.asked(&browser, 8).await;
    assert_eq!((who.len(), instances.len()), (1, 2), "{who:?} {instances:?}");

    let killed = Command::new("kill").args(["-KILL", &fleet.instances[0]]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let (still, left) = fleet.asked(&browser, 8).await;
    assert_eq!((still, left.len()), (who, 1), "{left:?}");
}
