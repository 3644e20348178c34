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
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    run::{Doctor, KEY, free_port},
    servers::{Cluster, Redis, Sentinels},
};

#[tokio::test]
async fn stored_grants_and_logins_are_not_touched() {
    let org = FakeOrg::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logins.db");
    let store = SqlStore::sqlite(&path).await.unwrap();
    let user = UserRef::new(org.organization_id().parse().unwrap(), "005000000000001AAA".parse().unwrap());
    // Of an app beside this one, whose keys are others.
    let key = GrantKey::new(AppKey::from_client_id("3MVG9.Another"), user);
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

#[tokio::test]
async fn a_store_that_takes_no_writes_is_named_and_one_that_does_passes() {
    let org = FakeOrg::start().await.unwrap();
    for (memory, status, outcome) in [("0", 0, "passed"), ("1", 1, "failed")] {
        let redis = Redis::on(free_port(), &["--maxmemory", memory]);
        let doctor = Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_KEYS", KEY);
        let ended = doctor.set("SALESFORCE_STORE", &redis.url()).run().await;
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

#[tokio::test]
async fn a_store_whose_leases_have_two_holders_is_named() {
    let org = FakeOrg::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logins.db");
    SqlStore::sqlite(&path).await.unwrap();
    let forgetful = "CREATE TRIGGER forgetful AFTER INSERT ON actix_salesforce_leases BEGIN DELETE FROM actix_salesforce_leases; END";
    rusqlite::Connection::open(&path).unwrap().execute_batch(forgetful).unwrap();
    let doctor = Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_KEYS", KEY);
    let ended = doctor.set("SALESFORCE_STORE", &format!("sqlite:{}", path.display())).run().await;
    assert_eq!((ended.status, ended.checks(&["failed", "warning"])), (Some(1), vec!["store-lease".into()]));
    assert!(
        ended.finding("store-lease").to_string().contains("two processes could refresh one grant"),
        "{ended:?}"
    );
    assert_eq!(
        (&ended.finding("store")["outcome"], &ended.finding("store-latency")["outcome"]),
        (&"passed".into(), &"passed".into())
    );
}

/// Passes on what a server sends, each part a while later. Returns its port.
async fn slowed(server: u16, by: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from_client, mut to_client) = client.into_split();
            let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            tokio::spawn(async move {
                let mut part = [0; 16_384];
                while let Ok(count @ 1..) = from_server.read(&mut part).await {
                    tokio::time::sleep(by).await;
                    to_client.write_all(&part[..count]).await?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    port
}

#[tokio::test]
async fn a_slow_store_is_named_with_its_times() {
    let org = FakeOrg::start().await.unwrap();
    let redis = Redis::start();
    let slow = slowed(redis.port, Duration::from_millis(101)).await;
    let doctor = Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_KEYS", KEY);
    let ended = doctor.set("SALESFORCE_STORE", &format!("redis://127.0.0.1:{slow}")).run().await;
    assert_eq!(
        (ended.status, ended.checks(&["failed", "warning"])),
        (Some(1), vec!["store-latency".into()]),
        "{ended:?}"
    );
    let finding = ended.finding("store-latency");
    assert!(finding["what"].as_str().unwrap().starts_with("A read takes 1"), "{finding}");
    assert!(finding["fix"].as_str().unwrap().contains("near the app"), "{finding}");
    assert_eq!(
        (&ended.finding("store")["outcome"], &ended.finding("store-lease")["outcome"]),
        (&"passed".into(), &"passed".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_of_redis_passes() {
    let org = FakeOrg::start().await.unwrap();
    let (sentinels, cluster) = (Sentinels::start(), Cluster::start());
    for store in [sentinels.url(&[]), cluster.url()] {
        let doctor = Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_KEYS", KEY);
        let ended = doctor.set("SALESFORCE_STORE", &store).run().await;
        assert_eq!(ended.status, Some(0), "{ended:?}");
        for check in ["store", "store-lease", "store-latency"] {
            assert_eq!(ended.finding(check)["outcome"], "passed", "{store}: {ended:?}");
        }
    }
}

/// The server's certificate is of an authority that no system trusts.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_with_tls_passes_if_its_authority_is_trusted() {
    let org = FakeOrg::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let port = free_port();
    let tls = ["--tls-port", &port.to_string(), "--tls-cert-file", certificate, "--tls-key-file", key];
    let _redis = Redis::on(free_port(), &[&tls[..], &["--tls-auth-clients", "no"]].concat());
    let doctor = || {
        let doctor = Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_KEYS", KEY);
        doctor.set("SALESFORCE_STORE", &format!("rediss://127.0.0.1:{port}"))
    };
    let refused = doctor().run().await;
    assert_eq!(refused.checks(&["failed", "warning"]), ["store"], "{refused:?}");
    let ended = doctor().set("SSL_CERT_FILE", certificate).run().await;
    assert_eq!(
        (ended.status, ended.finding("store")["outcome"].as_str()),
        (Some(0), Some("passed")),
        "{ended:?}"
    );
}
