//! R-23 for `rediss://`: the server's certificate is verified against the system's list of authorities.

use std::{
    process::{Command, Stdio},
    sync::Arc,
};

use crate::support::{
    free_port,
    servers::{Folder, Redis},
};
use actix_salesforce::store::{RedisStore, StoreError, contract};
use base64::Engine as _;

fn pem(kind: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

/// The other process of the next test, which trusts another list of authorities.
#[tokio::test]
async fn another_process() {
    if let Ok(url) = std::env::var("REDIS_TO_OPEN") {
        let store = RedisStore::connect(&url, "test:").await.unwrap();
        contract::check(Arc::new(store)).await.unwrap();
    }
}

#[tokio::test]
async fn a_redis_with_an_untrusted_certificate_is_not_used() {
    let folder = Folder::new("redis-tls");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, pem("CERTIFICATE", made.cert.der())).unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).unwrap();
    let port = free_port();
    let options = [
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", certificate.to_str().unwrap()],
        ["--tls-key-file", key.to_str().unwrap()],
        ["--tls-auth-clients", "no"],
    ];
    let _redis = Redis::on(free_port(), options.as_flattened());
    let url = format!("rediss://127.0.0.1:{port}");
    let refused = RedisStore::connect(&url, "test:").await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");

    let trusting = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "another_process"])
        .env("REDIS_TO_OPEN", &url)
        .env("SSL_CERT_FILE", &certificate)
        .stdout(Stdio::null())
        .status();
    assert!(trusting.unwrap().success(), "with an authority that vouches for it, it works");
}
