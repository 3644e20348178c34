//! The SQL stores against a real PostgreSQL and real SQLite files (F-01, F-02, F-04, F-16; R-65).

use std::sync::Arc;

use crate::support::{
    ADA, Client, TestApp, free_port,
    servers::{Folder, Postgres},
};
use actix_salesforce::store::{GrantFilter, SqlStore, Store, contract};

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

#[actix_web::test]
async fn sqlite_keeps_the_contract() {
    let folder = Folder::new("sqlite");
    contract::check(Arc::new(SqlStore::sqlite(folder.path().join("logins.db")).await.unwrap()))
        .await
        .unwrap();
}

#[actix_web::test]
async fn postgres_keeps_the_contract() {
    let postgres = Postgres::start();
    contract::check(Arc::new(SqlStore::postgres(&postgres.url()).await.unwrap())).await.unwrap();
}

/// Many processes begin with an empty database at the same time.
#[actix_web::test]
async fn the_tables_are_made_once() {
    let (folder, postgres) = (Folder::new("sqlite"), Postgres::start());
    let path = folder.path().join("logins.db");
    let url = postgres.url();
    let files = futures_util::future::join_all((0..6).map(|_| SqlStore::sqlite(&path)));
    let servers = futures_util::future::join_all((0..6).map(|_| SqlStore::postgres(&url)));
    let (files, servers) = futures_util::join!(files, servers);
    for store in files.into_iter().chain(servers) {
        store.unwrap().list_grants(GrantFilter::All).await.unwrap();
    }
}

#[actix_web::test]
async fn a_file_keeps_everyone_logged_in_over_a_restart_and_holds_nothing_of_use() {
    let folder = Folder::new("sqlite");
    let path = folder.path().join("logins.db");
    let setting = format!("sqlite:{}", path.display());
    let org = salesforce_fake_org::FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let port = free_port();
    let run = async || {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let config = actix_salesforce::Config::from_variables(|name| match name {
            "SALESFORCE_CLIENT_ID" => Some(org.client_id()),
            "SALESFORCE_CLIENT_SECRET" => Some(org.client_secret()),
            "SALESFORCE_LOGIN_URL" => Some(org.login_url()),
            "SALESFORCE_ALLOWED_ORIGINS" => Some(org.instance_url()),
            "SALESFORCE_PUBLIC_URL" => Some(url.clone()),
            "SALESFORCE_KEYS" => Some(KEYS.to_owned()),
            "SALESFORCE_STORE" => Some(setting.clone()),
            _ => None,
        });
        let salesforce = actix_salesforce::Salesforce::from_config(config).await.unwrap();
        crate::support::app::standard(listener, 2, salesforce)
    };
    let app = run().await;
    let browser = Client::new();
    assert_eq!(browser.visit(&format!("{}/whoami", app.url)).await.status, 200);
    org.expire_access_tokens();
    assert_eq!(browser.fetch(&format!("{}/names", app.url)).await.status, 200);
    drop(app);

    let bytes: Vec<u8> = std::fs::read_dir(folder.path())
        .unwrap()
        // What SQLite keeps beside the file may go at any moment now.
        .flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap_or_default())
        .collect();
    assert!(bytes.len() > 4_096, "the file itself is there");
    let mut secrets = org.live_refresh_tokens(&org.user(ADA));
    secrets.extend(org.live_access_tokens(&org.user(ADA)));
    secrets.extend(browser.cookies("127.0.0.1").into_values());
    for secret in &secrets {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    let app = run().await;
    let browser = browser.copy();
    let calls = org.token_calls("refresh_token");
    assert_eq!(browser.fetch(&format!("{}/names", app.url)).await.status, 200);
    assert_eq!(org.token_calls("refresh_token"), calls, "with the token of before");
    assert_eq!(org.refresh_reuse_count(), 0);
}

#[actix_web::test]
async fn a_postgres_that_goes_away_costs_503s_until_it_is_back() {
    let postgres = Postgres::start();
    let store = SqlStore::postgres(&postgres.url()).await.unwrap();
    let app = TestApp::with(|builder| builder.keys(KEYS).store(std::sync::Arc::new(store))).await;
    let browser = app.logged_in().await;
    postgres.freeze();
    let started = std::time::Instant::now();
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 503);
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(browser.fetch(&app.url("/")).await.body, "public");
    postgres.thaw();
    let started = std::time::Instant::now();
    while browser.fetch(&app.url("/whoami")).await.status != 200 {
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "recovery needs no restart");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// A file that was copied, or made by hand, with the rights that files have by default.
#[cfg(unix)]
#[actix_web::test]
async fn a_file_that_others_can_read_is_made_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (before, after) in [(0o644, 0o600), (0o666, 0o660), (0o600, 0o600)] {
        let folder = Folder::new("sqlite");
        let path = folder.path().join("logins.db");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(before)).unwrap();
        let store = SqlStore::sqlite(&path).await.unwrap();
        store.list_grants(GrantFilter::All).await.unwrap();
        assert_eq!(mode(&path), after, "{before:o}");
        for beside in ["logins.db-wal", "logins.db-shm"] {
            let beside = folder.path().join(beside);
            assert!(!beside.exists() || mode(&beside) == after, "{beside:?}");
        }
    }
}
