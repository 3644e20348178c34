//! The hosts: a thread with a separate runtime, so that it is independent of the caller's runtime.

mod body;
mod compress;
mod corrupt;
mod disconnect;
mod dispatch;
mod grpc;
mod guard;
mod socket;
pub(crate) mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use tokio_rustls::TlsAcceptor;

use self::tls::Tls;
use crate::request::Host;
use crate::state::Org;
use disconnect::{Disconnect, DisconnectInHead};
use dispatch::Hosts;
use socket::Socket;

struct Listen {
    listener: TcpListener,
    role: Role,
}

/// For TLS; `None` without it.
struct Acceptors {
    http1: Option<TlsAcceptor>,
    http2: Option<TlsAcceptor>,
}

/// What a listener serves.
#[derive(Clone, Copy)]
enum Role {
    Http(Host),
    /// The Pub/Sub API.
    Grpc,
}

/// The running hosts. Dropping it closes every listener and connection.
#[derive(Debug)]
pub(crate) struct Server {
    listeners: Option<UnboundedSender<Listen>>,
    thread: Option<JoinHandle<()>>,
}

/// A listener on a loopback port; 0 takes a free one.
pub(crate) fn bind(ip: IpAddr, port: u16) -> std::io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind(SocketAddr::new(ip, port))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// The address hosts listen on unless another loopback address is asked for.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Server {
    /// Serves https where there is an acceptor.
    pub(crate) fn start(org: Arc<Org>, tls: Option<&Tls>) -> std::io::Result<Self> {
        let acceptors = Acceptors { http1: tls.map(Tls::acceptor), http2: tls.map(Tls::http2_acceptor) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (sender, receiver) = unbounded_channel();
        let thread = std::thread::Builder::new().name("fake-org".into()).spawn(move || {
            runtime.block_on(serve(org, acceptors, receiver));
            runtime.shutdown_background();
        })?;
        Ok(Self { listeners: Some(sender), thread: Some(thread) })
    }

    /// Serves one more origin.
    pub(crate) fn listen(&self, listener: TcpListener, host: Host) {
        self.serve(Listen { listener, role: Role::Http(host) });
    }

    /// Serves the Pub/Sub API.
    pub(crate) fn listen_for_events(&self, listener: TcpListener) {
        self.serve(Listen { listener, role: Role::Grpc });
    }

    fn serve(&self, listen: Listen) {
        if let Some(listeners) = &self.listeners {
            // Fails only when the thread has ended, and then the hosts are down.
            let _ = listeners.send(listen);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listeners = None;
        if let Some(thread) = self.thread.take() {
            // A panic of that thread was already printed.
            let _ = thread.join();
        }
    }
}

/// Runs until the [`Server`] is dropped.
async fn serve(org: Arc<Org>, tls: Acceptors, mut listeners: UnboundedReceiver<Listen>) {
    let hosts = Arc::new(Hosts::new(Arc::clone(&org)));
    while let Some(Listen { listener, role }) = listeners.recv().await {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { continue };
        match role {
            Role::Http(host) => {
                drop(tokio::spawn(accept(Arc::clone(&hosts), listener, host, tls.http1.clone())))
            }
            Role::Grpc => drop(tokio::spawn(grpc::accept(Arc::clone(&org), listener, tls.http2.clone()))),
        }
    }
}

async fn accept(hosts: Arc<Hosts>, listener: tokio::net::TcpListener, host: Host, tls: Option<TlsAcceptor>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: give connections time to end.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let hosts = Arc::clone(&hosts);
        let tls = tls.clone();
        tokio::spawn(async move {
            let disconnect = Arc::new(Disconnect::default());
            let socket = Socket::new(stream, Arc::clone(&disconnect));
            match tls {
                None => connection(hosts, host, socket, disconnect).await,
                // A client that does not like the certificate leaves.
                Some(tls) => {
                    if let Ok(socket) = tls.accept(socket).await {
                        connection(hosts, host, socket, disconnect).await;
                    }
                }
            }
        });
    }
}

async fn connection(
    hosts: Arc<Hosts>,
    host: Host,
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    disconnect: Arc<Disconnect>,
) {
    let socket = DisconnectInHead::new(socket, Arc::clone(&disconnect));
    let service =
        service_fn(move |request| Arc::clone(&hosts).response(host, request, Arc::clone(&disconnect)));
    // A connection that ends in an error ended as it should: cut, or left by the client.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service).await;
}
