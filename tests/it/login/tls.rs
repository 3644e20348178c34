//! TLS is verified. A server with an untrusted certificate receives nothing.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::support::{Client, client::query, reserve};
use actix_salesforce::Salesforce;
use tokio::io::AsyncReadExt as _;
use tokio_rustls::{TlsAcceptor, rustls};

/// A TLS server with a self-signed certificate. Counts connections, and what it could read from them.
struct Stranger {
    port: u16,
    connections: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Stranger {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, bytes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&connections), Arc::clone(&bytes));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.0.fetch_add(1, Ordering::SeqCst);
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let read = stream.read(&mut [0; 1024]).await.unwrap_or(0);
                counts.1.fetch_add(read, Ordering::SeqCst);
            }
        });
        Self { port, connections, bytes }
    }
}

#[actix_web::test]
async fn a_login_host_with_a_wrong_certificate_is_told_nothing() {
    let stranger = Stranger::start().await;
    let (listener, url) = reserve();
    let salesforce = Salesforce::builder()
        .client_id("client")
        .client_secret("a-secret-of-the-app")
        .login_url(format!("https://127.0.0.1:{}", stranger.port))
        .public_url(&url)
        .build()
        .await
        .unwrap();
    let app = crate::support::app::standard(listener, 2, salesforce);
    let browser = Client::new();
    let login = browser.open(&format!("{}/auth/salesforce/login", app.url)).await;
    let state = query(&login.location(), "state").unwrap();
    let page = browser.open(&format!("{}/auth/salesforce/callback?code=abc&state={state}", app.url)).await;
    assert!(page.status == 502 || page.status == 503, "{page:?}");
    assert!(stranger.connections.load(Ordering::SeqCst) > 0, "it was tried");
    assert_eq!(stranger.bytes.load(Ordering::SeqCst), 0, "and ended at the certificate");
    assert_eq!(browser.fetch(&format!("{}/user", app.url)).await.status, 401);
}
