//! The store of the app.

use std::time::{Duration, SystemTime};

use actix_salesforce::{
    UserRef,
    store::{
        AppKey, GrantFilter, GrantKey, GrantRecord, GrantVersion, LoginKey, LoginRecord, Sealed, SqlStore,
        Store as _,
    },
};
use salesforce_fake_org::FakeOrg;

use crate::run::{Doctor, KEY, free_port};

#[tokio::test]
async fn stored_grants_and_logins_are_not_touched() {
    let org = FakeOrg::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logins.db");
    let store = SqlStore::sqlite(&path).await.unwrap();
    let user = UserRef::new(org.organization_id().parse().unwrap(), "005000000000001AAA".parse().unwrap());
    let key = GrantKey::new(AppKey::from_client_id(&org.client_id()), user);
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_900_000_000_000);
    let version = GrantVersion { epoch: 7, revision: 3 };
    let expires = SystemTime::now() + Duration::from_secs(3_600);
    let grant = GrantRecord::new(key, version, Sealed::from_bytes(b"sealed".to_vec()), now, expires);
    let login = LoginKey::from_bytes([9; 32]);
    store.create_login(login, LoginRecord::new(key, now, expires), grant).await.unwrap();
    let before = (
        store.list_grants(GrantFilter::All).await.unwrap(),
        store.list_logins(GrantFilter::All).await.unwrap(),
    );
    assert_eq!((before.0.len(), before.1.len()), (1, 1));

    let ended = Doctor::of(&org)
        .set("SALESFORCE_KEYS", KEY)
        .set("SALESFORCE_STORE", &format!("sqlite:{}", path.display()))
        .run()
        .await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.finding("store")["what"], "A record was written, read, replaced and deleted.");
    let after = (
        store.list_grants(GrantFilter::All).await.unwrap(),
        store.list_logins(GrantFilter::All).await.unwrap(),
    );
    assert_eq!(after.0, before.0);
    assert_eq!(after.1.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [login]);
}

/// The server of a test, without files.
struct Redis(std::process::Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn redis(port: u16, memory: &str) -> Redis {
    let mut command = std::process::Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--maxmemory", memory]);
    let command = command.stdout(std::process::Stdio::null());
    Redis(command.spawn().expect("redis-server is missing: install the Debian package redis-server"))
}

#[tokio::test]
async fn a_store_that_takes_no_writes_is_named_and_one_that_does_passes() {
    let org = FakeOrg::start().await.unwrap();
    for (memory, status, outcome) in [("0", 0, "passed"), ("1", 1, "failed")] {
        let port = free_port();
        let _server = redis(port, memory);
        let doctor = Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_KEYS", KEY);
        let ended = doctor.set("SALESFORCE_STORE", &format!("redis://127.0.0.1:{port}")).run().await;
        assert_eq!(
            (ended.status, ended.finding("store")["outcome"].as_str()),
            (Some(status), Some(outcome)),
            "{ended:?}"
        );
        let found = ended.checks(&["failed", "warning"]);
        assert_eq!(found, if status == 0 { vec![] } else { vec!["store"] }, "{ended:?}");
        let lease = if status == 0 { "passed" } else { "skipped" };
        assert_eq!(ended.finding("store-lease")["outcome"], lease, "{ended:?}");
    }
}
