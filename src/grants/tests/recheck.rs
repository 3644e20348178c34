//! The check of grants in use while Salesforce does not say whether they are valid, over several processes.

use salesforce_fake_org::Fault;

use super::*;

/// Short, so that several pauses pass.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_an_outage_all_processes_together_ask_ever_more_rarely() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let process = || {
        fleet.process_with(fleet.store.clone(), Clock::system(), |config| {
            config.recheck = Some(Duration::from_secs(60 * 60));
            config.timing.recheck_pause = PAUSE;
        })
    };
    let processes = [process(), process()];
    // Imported: a login would count as a check.
    let id = fleet.log_in(&fleet.process(Clock::system()), &fleet.ada()).await;
    let outage = fleet.org.faults().path("/services/oauth2/userinfo", Fault::Status(503));
    let (started, mut asked_at) = (std::time::Instant::now(), Vec::new());
    for turn in 0.. {
        let elapsed = started.elapsed();
        if elapsed > 18 * PAUSE {
            break;
        }
        assert!(processes[turn % 2].login(&id).await.unwrap().is_some(), "an outage lets users stay");
        if outage.hits() > asked_at.len() as u64 {
            asked_at.push(elapsed);
        }
    }
    // At once, and after pauses of one, two, four and eight times the first.
    assert!((3..=5).contains(&asked_at.len()), "{asked_at:?}");
    let pauses: Vec<_> = asked_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (n, pause) in pauses.iter().enumerate() {
        // A time is the one before its question, which may have taken longer the time before.
        assert!(*pause + PAUSE / 4 >= PAUSE * 2_u32.pow(n as u32), "{asked_at:?}");
    }
}
