//! The store: opening, writing, reading, leases, and the time that they take.
//!
//! The records are of an app that does not exist, expire within a minute, and are deleted. Grants of the app are not
//! touched.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tempfile::TempDir;

use actix_salesforce::{
    Config, UserRef,
    config::StartPlan,
    store::{
        AppKey, GrantKey, GrantRecord, GrantVersion, LeaseHolder, LeaseName, OpenedStore, Sealed, SqlStore,
        Store, StoreError, SwapOutcome,
    },
};

use super::{
    finding::{Check, Finding, Report},
    settings, stored_grants,
};
use crate::{failure::sentence, interrupt::Interrupt};

/// The checks of a store that is opened.
const OPENED: [Check; 3] = [Check::StoreLease, Check::StoreLatency, Check::StoredGrants];
/// Each page of a logged-in user waits for one read. Above this, users notice.
const SLOW: Duration = Duration::from_millis(100);
/// Number of rounds of which the median is taken.
const ROUNDS: usize = 5;
/// The records of an interrupted check expire after this.
const LIFETIME: Duration = Duration::from_secs(60);

/// Checks the store of the settings. `plan`: what else they amount to, if they are valid.
pub(super) async fn check(
    config: &Config,
    plan: Option<&StartPlan>,
    interrupt: &Interrupt,
    report: &mut Report,
) {
    if report.has(Check::Store) {
        report.skip(OPENED, "The setting of the store is invalid.");
        return;
    }
    let setting = config.store.expose().trim().to_owned();
    if setting == "memory:" {
        report.add(match plan.is_none_or(settings::is_local) {
            true => Finding::passed(Check::Store, "Logins are in memory: they end with the process."),
            false => Finding::warning(
                Check::Store,
                "Logins are in memory: each restart logs all users out, and each instance of the app has its own users.",
            )
            .fix("set SALESFORCE_STORE to sqlite:PATH on one machine, or to redis:// or postgres:// for several"),
        });
        report.skip(OPENED, "A store in memory belongs to one process.");
        return;
    }
    report.working_on("opening the store");
    let stand_in = StandIn::of(&setting);
    let opened = interrupt.or(async {
        match &stand_in {
            Some(stand_in) => stand_in.open().await,
            None => open(config).await,
        }
    });
    let Some(opened) = opened.await else { return };
    let all = [Check::Store].into_iter().chain(OPENED);
    match opened {
        Ok(OpenedStore::Outdated { found, needed }) => report.skip(all, &outdated(found, needed)),
        Ok(OpenedStore::Ready(store)) => {
            report.working_on("writing to the store and reading from it");
            let tried = try_out(&store, stand_in.is_some(), interrupt, report).await;
            match tried {
                Err(error) => report.add(failed(Check::Store, &error)),
                Ok(()) if stand_in.is_none() => stored_grants::check(&store, plan, interrupt, report).await,
                Ok(()) => report.skip([Check::StoredGrants], "No grant of the app is stored."),
            }
            if !interrupt.is_raised() {
                report.skip(OPENED, "The store failed.");
            }
        }
        Ok(_) => report.skip(all, "This program does not know the state of the store."),
        Err(problem) => {
            report.add(Finding::failed(Check::Store, problem).fix(
                "check that the server runs and that the address, the user and the password of SALESFORCE_STORE are right; of a \
                 file, that this user may write to its folder; of a database without tables, that its user may create them",
            ));
            report.skip(OPENED, "The store cannot be opened.");
        }
    }
}

async fn open(config: &Config) -> Result<OpenedStore, String> {
    let opened = config.clone().open_store().await;
    opened
        .map_err(|error| error.problems().iter().map(|problem| &*problem.hint).collect::<Vec<_>>().join("; "))
}

/// Nothing is written to tables that another version of the app may be using.
fn outdated(found: u64, needed: u64) -> String {
    match found {
        0 => "The database can be reached, and its user may create the tables, which the app's first start does. Nothing was \
              written."
            .into(),
        found => format!(
            "The tables are of version {found}, and the next start of the app changes them to version {needed}. Nothing was \
             written."
        ),
    }
}

/// A file in a folder apart, beside a SQLite file that does not exist yet. The app creates its own at its start.
struct StandIn(TempDir);

impl StandIn {
    fn of(setting: &str) -> Option<Self> {
        let path = setting.strip_prefix("sqlite:")?;
        let path = Path::new(path.strip_prefix("//").unwrap_or(path));
        if path.exists() {
            return None;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A name that others cannot foresee. Where none can be made, opening the store says why.
        tempfile::Builder::new().prefix(".doctor-").tempdir_in(folder).ok().map(Self)
    }

    async fn open(&self) -> Result<OpenedStore, String> {
        let store = SqlStore::sqlite(self.0.path().join("store.db")).await;
        store.map(|store| OpenedStore::Ready(Arc::new(store))).map_err(|error| sentence(&error))
    }
}

fn failed(check: Check, error: &StoreError) -> Finding {
    Finding::failed(check, format!("{}.", sentence(error)))
        .fix("check the rights of the store's user, its disk and its memory limit")
}

/// Returns the key of a grant that does not exist, of an app that does not exist.
fn key() -> Option<GrantKey> {
    let user = UserRef::new("00D000000000000EAA".parse().ok()?, "005000000000000AAA".parse().ok()?);
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    Some(GrantKey::new(AppKey::from_client_id(&format!("actix-salesforce doctor {random:?}")), user))
}

async fn try_out(
    store: &Arc<dyn Store>,
    is_stand_in: bool,
    interrupt: &Interrupt,
    report: &mut Report,
) -> Result<(), StoreError> {
    let Some(key) = key() else {
        report.add(Finding::skipped(Check::Store, "This machine has no random numbers for a key."));
        return Ok(());
    };
    let tried = interrupt.or(write_and_read(store, key)).await;
    // In any case: a record that was written by half is none of the app's.
    let deleted = store.delete_grant(key, None).await;
    let Some(tried) = tried else { return Ok(()) };
    let (reads, writes) = match tried? {
        Some(times) => times,
        None => {
            report.add(Finding::failed(Check::Store, "The store returned another record than the one written.").fix(
                "check that it is no replica that lags behind, and no cache that evicts: the app needs the primary",
            ));
            return Ok(());
        }
    };
    deleted?;
    let is_gone = store.load_grant(key).await?.is_none();
    report.add(match (is_gone, is_stand_in) {
        (false, _) => Finding::failed(Check::Store, "A deleted record is still there.")
            .fix("check that the store is no replica: logouts would have no effect"),
        (true, true) => {
            Finding::passed(Check::Store, "The file of the store is missing yet, and its folder is writable.")
        }
        (true, false) => Finding::passed(Check::Store, "A record was written, read, replaced and deleted."),
    });
    report.add(latency(reads, writes));
    report.add(leases(store, key).await.unwrap_or_else(|error| failed(Check::StoreLease, &error)));
    Ok(())
}

/// Writes and reads a record some times. Returns the median times, or `None` if it is not what was written.
async fn write_and_read(
    store: &Arc<dyn Store>,
    key: GrantKey,
) -> Result<Option<(Duration, Duration)>, StoreError> {
    let now = SystemTime::now();
    let record = |revision: u64| {
        let version = GrantVersion { epoch: 1, revision };
        let sealed = Sealed::from_bytes(format!("doctor {revision}").into_bytes());
        GrantRecord::new(key, version, sealed, now, now + LIFETIME)
    };
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    store.put_grant(record(0)).await?;
    for revision in 1..=ROUNDS as u64 {
        let (expected, next) = (record(revision - 1).version, record(revision));
        let began = Instant::now();
        let swapped = store.compare_and_swap_grant(expected, next.clone()).await?;
        writes.push(began.elapsed());
        let began = Instant::now();
        let read = store.load_grant(key).await?;
        reads.push(began.elapsed());
        let is_equal = read.is_some_and(|read| read.version == next.version && read.sealed == next.sealed);
        if swapped != SwapOutcome::Stored || !is_equal {
            return Ok(None);
        }
    }
    Ok(Some((median(reads), median(writes))))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn latency(read: Duration, write: Duration) -> Finding {
    let text = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
    let what = format!("A read takes {}, a write {} (median of {ROUNDS}).", text(read), text(write));
    match read.max(write) > SLOW {
        false => Finding::passed(Check::StoreLatency, what),
        true => Finding::warning(Check::StoreLatency, what)
            .fix("move the store near the app: each page of a logged-in user waits for a read, and each refresh for several writes"),
    }
}

/// Two holders try for one lease.
async fn leases(store: &Arc<dyn Store>, key: GrantKey) -> Result<Finding, StoreError> {
    let name = LeaseName::Refresh(key);
    let (one, other) = (LeaseHolder(1), LeaseHolder(2));
    let lifetime = Duration::from_secs(10);
    let is_given = store.acquire_lease(name, one, lifetime).await?;
    let is_shared = store.acquire_lease(name, other, lifetime).await?;
    store.release_lease(name, one).await?;
    let is_free = store.acquire_lease(name, other, lifetime).await?;
    store.release_lease(name, other).await?;
    Ok(match (is_given, is_shared, is_free) {
        (true, false, true) => {
            Finding::passed(Check::StoreLease, "A lease has one holder at a time, and is released.")
        }
        _ => Finding::failed(
            Check::StoreLease,
            "Leases of the store do not work: two processes could refresh one grant.",
        )
        .fix("check that the store is a single primary, and not a replica"),
    })
}
