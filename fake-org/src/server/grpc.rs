//! The listener of the Pub/Sub API: HTTP/2 alone, with TLS or by prior knowledge (RFC 9113 section 3.3).

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::pubsub::service::respond;
use crate::state::Org;

pub(super) async fn accept(org: Arc<Org>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: give connections time to end.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (org, tls) = (Arc::clone(&org), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(org, stream).await,
                // A client that does not like the certificate leaves.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(org, stream).await;
                    }
                }
            }
        });
    }
}

async fn connection(org: Arc<Org>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(move |request| {
        let org = Arc::clone(&org);
        async move { Ok::<_, Infallible>(respond(org, request).await) }
    });
    // A connection that ends in an error ended as it should: left by the client.
    let _ = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
