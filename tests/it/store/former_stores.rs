//! Stores that an earlier version wrote open: one grant and one login in each, written by commit 0e1d094.
//!
//! The files are in `tests/fixtures/former_stores`: a SQLite file, the text of a Postgres dump, the commands that fill a
//! Redis, and what the app was set up with. Their logins end in 2036.

use std::path::Path;

use crate::support::{
    Client, app, reserve,
    servers::{Folder, Postgres, Redis},
};
use actix_salesforce::{Config, Salesforce, UserRef, store::GrantFilter};
use serde_json::Value;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/former_stores").join(name)
}

fn manifest() -> Value {
    serde_json::from_slice(&std::fs::read(fixture("manifest.json")).unwrap()).unwrap()
}

/// Settings of then around this store; `rotated`: the credentials have been rotated since.
fn config(store: &str, rotated: bool) -> Config {
    let manifest = manifest();
    let text = |name: &str| manifest[name].as_str().unwrap().to_owned();
    Config::from_variables(|name| match name {
        "SALESFORCE_CLIENT_ID" if rotated => Some("3MVG9Rotated".to_owned()),
        "SALESFORCE_CLIENT_SECRET" if rotated => Some("R0TATED".to_owned()),
        "SALESFORCE_CLIENT_ID" => Some(text("client_id")),
        "SALESFORCE_CLIENT_SECRET" => Some(text("client_secret")),
        "SALESFORCE_PREVIOUS_CLIENT_ID" if rotated => Some(text("client_id")),
        "SALESFORCE_PREVIOUS_CLIENT_SECRET" if rotated => Some(text("client_secret")),
        "SALESFORCE_LOGIN_URL" => Some(text("login_url")),
        "SALESFORCE_ALLOWED_ORIGINS" => Some(text("instance_url")),
        "SALESFORCE_PUBLIC_URL" => Some(text("public_url")),
        "SALESFORCE_KEYS" => Some(text("keys")),
        "SALESFORCE_STORE" => Some(store.to_owned()),
        _ => None,
    })
}

/// The app of today with the settings of then, around this store.
async fn start(store: &str) -> Salesforce {
    Salesforce::from_config(config(store, false)).await.unwrap()
}

async fn check(kind: &str, store: &str, salesforce: Salesforce) {
    let manifest = manifest();
    let grants = salesforce.list_grants(GrantFilter::All).await.unwrap();
    assert_eq!(grants.len(), 1, "{kind}: {grants:?}");
    assert_eq!(salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 1, "{kind}");
    let user = UserRef::new(grants[0].organization_id, grants[0].user_id);
    let connection = salesforce.user_connection(user).await;
    assert!(connection.is_ok(), "{kind}: {connection:?}");

    // The record names its client id only by the key, which is enough to find its credentials.
    let rotated = Salesforce::from_config(config(store, true)).await.unwrap();
    let grants = rotated.list_grants(GrantFilter::User(user)).await.unwrap();
    assert_eq!(grants[0].client_id, manifest["client_id"].as_str().unwrap(), "{kind}");
    let connection = rotated.user_connection(user).await;
    assert!(connection.is_ok(), "{kind}: {connection:?}");
    rotated.shutdown().await;

    // The names of the cookies have changed since, so that the user logs in again.
    let (listener, url) = reserve();
    let server = app::standard(listener, 1, salesforce);
    let cookie = manifest["cookies"][kind].as_str().unwrap();
    let headers = [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("cookie", cookie)];
    let page = Client::new().send(reqwest::Method::GET, &format!("{url}/whoami"), &headers, None).await;
    assert_eq!(page.status, 303, "{kind}: {page:?}");
    assert!(page.header("location").starts_with("/auth/salesforce/login"), "{kind}: {page:?}");
    drop(server);
}

#[actix_web::test]
async fn a_sqlite_file_of_an_earlier_version_opens() {
    let folder = Folder::new("former");
    let path = folder.path().join("logins.db");
    std::fs::copy(fixture("logins.db"), &path).unwrap();
    let store = format!("sqlite:{}", path.display());
    check("sqlite", &store, start(&store).await).await;
}

#[actix_web::test]
async fn a_postgres_database_of_an_earlier_version_opens() {
    let postgres = Postgres::start();
    let psql = std::process::Command::new("psql")
        .args(["-v", "ON_ERROR_STOP=1", "-q", "-f"])
        .arg(fixture("postgres.sql"))
        .arg(postgres.url())
        .output()
        .expect("psql is missing: install the Debian package postgresql-client");
    assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    check("postgres", &postgres.url(), start(&postgres.url()).await).await;
}

#[actix_web::test]
async fn a_redis_of_an_earlier_version_opens() {
    use std::io::{Read as _, Write as _};

    let redis = Redis::start();
    // It runs already while the earlier version writes, as in a rolling deploy.
    let salesforce = start(&redis.url()).await;
    let commands: Vec<Vec<String>> =
        serde_json::from_slice(&std::fs::read(fixture("redis.json")).unwrap()).unwrap();
    let mut server = std::net::TcpStream::connect(("127.0.0.1", redis.port)).unwrap();
    for command in commands {
        let mut message = format!("*{}\r\n", command.len()).into_bytes();
        for word in command {
            // Values are binary, and written in hex.
            let word = match word.strip_prefix("hex:") {
                Some(hex) => (0..hex.len() / 2)
                    .map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap())
                    .collect(),
                None => word.into_bytes(),
            };
            message.extend(format!("${}\r\n", word.len()).bytes());
            message.extend(word);
            message.extend(b"\r\n");
        }
        server.write_all(&message).unwrap();
        let mut reply = [0; 512];
        let length = server.read(&mut reply).unwrap();
        assert_ne!(reply[0], b'-', "{}", String::from_utf8_lossy(&reply[..length]));
    }
    check("redis", &redis.url(), salesforce).await;
}
