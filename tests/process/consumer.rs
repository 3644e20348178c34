//! A durable consumer in several processes over a real store: processes that are killed and paused.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    support::{
        ADA, Client,
        example::Example,
        free_port,
        servers::{Folder, Postgres, Redis},
    },
    wait::eventually,
};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
/// The lifetime of a lease in tests.
const LEASE: Duration = Duration::from_secs(6);

/// Holds the store, if it is a server.
enum Server {
    Redis(Redis),
    Postgres(Postgres),
    File,
}

struct Fleet {
    org: FakeOrg,
    folder: Folder,
    server: Server,
    created: usize,
}

/// What one process did, and to which event.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    process: u32,
    begins: bool,
    event: usize,
}

impl Fleet {
    async fn start(server: Server) -> Self {
        let org =
            FakeOrg::builder().rows(0).execution_user(ADA).change_events(&["Account"]).start().await.unwrap();
        Self { org, folder: Folder::new("consumer"), server, created: 0 }
    }

    /// Starts a process whose handler takes so long.
    async fn join(&self, handler: Duration) -> Example {
        let file = self.folder.path().join("logins.db");
        let store = match &self.server {
            Server::Redis(redis) => redis.url(),
            Server::Postgres(postgres) => postgres.url(),
            Server::File => format!("sqlite:{}", file.display()),
        };
        let port = free_port();
        let (bind, millis) = (format!("127.0.0.1:{port}"), handler.as_millis().to_string());
        let log = self.log().display().to_string();
        let (instance, events) = (self.org.instance_url(), self.org.pubsub().endpoint());
        let more = [
            ("SALESFORCE_STORE", &*store),
            ("SALESFORCE_KEYS", KEYS),
            ("SALESFORCE_SERVICE_URL", &*instance),
            ("SALESFORCE_PUBSUB_URL", &*events),
            ("BIND", &*bind),
            ("CONSUMER_LOG", &*log),
            ("CONSUMER_MILLIS", &*millis),
            ("ACTIX_SALESFORCE_TEST_TIMING", "fast"),
        ];
        Example::with("127.0.0.1", port, "consumer_app", &self.org, &more).await
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("consumer.log")
    }

    /// Creates so many accounts, named by their numbers.
    async fn create(&mut self, count: usize) {
        let token = self.org.issue_tokens(&self.org.user(ADA), "api").access_token;
        let url = format!("{}/services/data/v66.0/sobjects/Account", self.org.instance_url());
        for _ in 0..count {
            self.created += 1;
            let body = json!({ "Name": self.created.to_string() }).to_string();
            let create = reqwest::Client::new().post(&url).bearer_auth(&token);
            let create = create.header("content-type", "application/json").body(body).send().await.unwrap();
            assert!(create.status().is_success());
        }
    }

    fn lines(&self) -> Vec<Line> {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        log.lines()
            .map(|line| {
                let words: Vec<_> = line.split(' ').collect();
                let [process, event] = [words[0], words[2]].map(|word| word.parse::<usize>().unwrap());
                Line { process: u32::try_from(process).unwrap(), begins: words[1] == "begin", event }
            })
            .collect()
    }

    fn ended(&self, event: usize) -> bool {
        self.lines().iter().any(|line| !line.begins && line.event == event)
    }

    fn begun(&self, event: usize) -> bool {
        self.lines().iter().any(|line| line.begins && line.event == event)
    }

    /// Each event was handled, in order within each run of a process, and not more often than crashes explain.
    async fn check(&self, most_repeats: usize) {
        eventually("all events are handled", async || self.ended(self.created)).await;
        let lines = self.lines();
        let mut counts = BTreeMap::<usize, usize>::new();
        lines.iter().filter(|line| !line.begins).for_each(|line| *counts.entry(line.event).or_default() += 1);
        let missing: Vec<_> = (1..=self.created).filter(|event| !counts.contains_key(event)).collect();
        assert!(missing.is_empty(), "lost: {missing:?} of {lines:?}");
        let repeats = counts.values().sum::<usize>() - counts.len();
        assert!(repeats <= most_repeats, "{repeats} repeats: {lines:?}");
        for pair in lines.windows(2).filter(|pair| pair[0].process == pair[1].process) {
            let goes_on = pair[1].event == pair[0].event || pair[1].event == pair[0].event + 1;
            assert!(goes_on, "out of order: {pair:?}");
        }
    }
}

async fn state(process: &Example) -> Value {
    let page = Client::new().fetch(&process.url("/ready")).await;
    page.json()["consumers"][0]["state"].clone()
}

async fn until_state(process: &Example, expected: &str) {
    eventually(&format!("it is {expected}"), async || state(process).await == expected).await;
}

/// Kills the process that runs the consumer in the middle of a handler, right after one, and once the position is written.
async fn killed_at_each_step(server: Server) {
    let mut fleet = Fleet::start(server).await;
    let handler = Duration::from_millis(30);
    let mut runner = fleet.join(handler).await;
    until_state(&runner, "running").await;
    for step in ["in the handler", "after the handler", "after the write"] {
        let standby = fleet.join(handler).await;
        let next = fleet.created + 10;
        fleet.create(15).await;
        match step {
            "in the handler" => eventually(step, async || fleet.begun(next)).await,
            _ => eventually(step, async || fleet.ended(next)).await,
        }
        if step == "after the write" {
            eventually(step, async || fleet.ended(fleet.created)).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        runner.kill();
        let killed = Instant::now();
        fleet.create(5).await;
        until_state(&standby, "running").await;
        assert!(killed.elapsed() < LEASE + Duration::from_secs(4), "{step}: {:?}", killed.elapsed());
        eventually("it goes on", async || fleet.ended(fleet.created)).await;
        runner = standby;
    }
    // The position is written every 0.1 seconds, and at each event the store may be slow.
    fleet.check(3 * 20).await;
    let asked = Instant::now();
    assert!(runner.terminate().await.success());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    // A clean end repeats nothing.
    let handled = fleet.lines().len();
    let next = fleet.join(handler).await;
    until_state(&next, "running").await;
    fleet.create(1).await;
    eventually("it goes on", async || fleet.ended(fleet.created)).await;
    assert_eq!(fleet.lines().len(), handled + 2);
}

#[actix_web::test]
async fn a_consumer_survives_sigkill_at_each_step_on_redis() {
    killed_at_each_step(Server::Redis(Redis::start())).await;
}

#[actix_web::test]
async fn a_consumer_survives_sigkill_at_each_step_on_postgres() {
    killed_at_each_step(Server::Postgres(Postgres::start())).await;
}

#[actix_web::test]
async fn a_consumer_survives_sigkill_at_each_step_on_a_file() {
    killed_at_each_step(Server::File).await;
}

/// A process that is paused for longer than its lease, as by a debugger or a virtual machine that is moved.
async fn paused(server: Server) {
    let mut fleet = Fleet::start(server).await;
    let handler = Duration::from_millis(800);
    let first = fleet.join(handler).await;
    until_state(&first, "running").await;
    let second = fleet.join(handler).await;
    fleet.create(3).await;
    eventually("the second event is being handled", async || fleet.begun(2)).await;
    // Not in the middle of a write: on a file it would hold the lock, and no process could write.
    tokio::time::sleep(Duration::from_millis(400)).await;
    first.signal("STOP");
    let paused = Instant::now();
    until_state(&second, "running").await;
    assert!(paused.elapsed() < LEASE + Duration::from_secs(4), "{:?}", paused.elapsed());
    eventually("the other goes on", async || fleet.ended(3)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = fleet.lines();
    first.signal("CONT");
    until_state(&first, "standby").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(fleet.lines(), before, "it neither ends what it had begun, nor begins anything");
    fleet.create(2).await;
    eventually("the other goes on", async || fleet.ended(5)).await;
    // The position was not moved back: the next process repeats nothing of what the second had written.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut second = second;
    second.kill();
    until_state(&first, "running").await;
    fleet.create(1).await;
    fleet.check(2).await;
}

#[actix_web::test]
async fn a_paused_process_never_moves_the_position_back_on_redis() {
    paused(Server::Redis(Redis::start())).await;
}

#[actix_web::test]
async fn a_paused_process_never_moves_the_position_back_on_postgres() {
    paused(Server::Postgres(Postgres::start())).await;
}

#[actix_web::test]
async fn a_paused_process_never_moves_the_position_back_on_a_file() {
    paused(Server::File).await;
}

/// Five processes, of which one after the other dies; the store is frozen for a while in between.
#[actix_web::test]
async fn five_processes_and_a_frozen_store_lose_nothing() {
    let mut fleet = Fleet::start(Server::Redis(Redis::start())).await;
    let mut processes = Vec::new();
    for _ in 0..5 {
        processes.push(fleet.join(Duration::from_millis(20)).await);
    }
    let running = async |processes: &[Example]| {
        let mut running = Vec::new();
        for (index, process) in processes.iter().enumerate() {
            if state(process).await == "running" {
                running.push(index);
            }
        }
        running
    };
    for round in 0..3 {
        eventually("one runs it", async || running(&processes).await.len() == 1).await;
        fleet.create(10).await;
        if round == 1 {
            let Server::Redis(redis) = &fleet.server else { return };
            redis.freeze();
            tokio::time::sleep(LEASE).await;
            redis.thaw();
            eventually("it recovers", async || running(&processes).await.len() == 1).await;
        }
        let index = running(&processes).await.first().copied().unwrap_or_default();
        processes.remove(index).kill();
    }
    fleet.create(5).await;
    fleet.check(3 * 20 + 20).await;
}
