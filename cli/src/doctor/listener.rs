//! [`Listener`]: waits on a loopback address for the callback of a login (RFC 8252 section 7.3).

use std::{future::IntoFuture as _, io, net::SocketAddr, sync::Arc, time::Duration};

use actix_salesforce::Secret;
use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{Html, IntoResponse, Response},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use url::{Host, Url, form_urlencoded};

/// What the browser brought.
pub(super) enum Callback {
    Code(Secret),
    Refused { code: String, description: Option<String> },
}

/// Open sockets at the redirect URI.
pub(super) struct Listener {
    sockets: Vec<TcpListener>,
    redirect_uri: Url,
}

struct Awaited {
    path: String,
    state: Secret,
    received: mpsc::Sender<Callback>,
}

/// How long the browser may take to receive its page, before the sockets are closed.
const LAST_RESPONSE: Duration = Duration::from_secs(1);

/// Reads the argument `--callback`.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    let is_plain = url.scheme() == "http" && url.query().is_none() && url.fragment().is_none();
    if !is_plain || !actix_salesforce::http::is_loopback(&url) || url.port_or_known_default() == Some(0) {
        return Err("give http://localhost:PORT/PATH, or the same with 127.0.0.1 or [::1]".into());
    }
    Ok(url)
}

/// Returns whether no program has the port of this redirect URI.
pub(super) fn is_free(redirect_uri: &Url) -> bool {
    let addresses = redirect_uri.socket_addrs(|| None).unwrap_or_default();
    addresses.iter().all(|address| {
        std::net::TcpListener::bind(address).map_err(|error| error.kind()).err()
            != Some(io::ErrorKind::AddrInUse)
    })
}

impl Listener {
    /// Opens the address of the redirect URI; of `localhost` both, since browsers take either.
    pub(super) async fn open(redirect_uri: &Url) -> io::Result<Self> {
        let port = redirect_uri.port_or_known_default().unwrap_or(80);
        let addresses: Vec<SocketAddr> = match redirect_uri.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            _ => vec![([127, 0, 0, 1], port).into(), ([0, 0, 0, 0, 0, 0, 0, 1], port).into()],
        };
        let mut sockets = Vec::new();
        let mut failed = None;
        for address in addresses {
            match TcpListener::bind(address).await {
                Ok(socket) => sockets.push(socket),
                // A machine may lack IPv6. A port that another program has is an error in any case: the browser may get
                // there.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        match (sockets.is_empty(), failed) {
            (true, Some(error)) => Err(error),
            _ => Ok(Self { sockets, redirect_uri: redirect_uri.clone() }),
        }
    }

    /// Waits for the callback with this state. Other callbacks are refused.
    pub(super) async fn wait(self, state: Secret) -> Callback {
        let (received, mut callbacks) = mpsc::channel(1);
        let awaited = Arc::new(Awaited { path: self.redirect_uri.path().to_owned(), state, received });
        let router = Router::new().fallback(receive).with_state(awaited);
        let (stop, stopped) = watch::channel(false);
        let mut servers = JoinSet::new();
        for socket in self.sockets {
            let mut stopped = stopped.clone();
            let stop = async move {
                let _ = stopped.wait_for(|stopped| *stopped).await;
            };
            servers.spawn(axum::serve(socket, router.clone()).with_graceful_shutdown(stop).into_future());
        }
        let callback = match callbacks.recv().await {
            Some(callback) => callback,
            // The router holds a sender.
            None => std::future::pending().await,
        };
        let _ = stop.send(true);
        let _ = timeout(LAST_RESPONSE, servers.join_all()).await;
        callback
    }
}

async fn receive(State(awaited): State<Arc<Awaited>>, method: Method, uri: Uri) -> Response {
    if method != Method::GET || uri.path() != awaited.path {
        return StatusCode::NOT_FOUND.into_response();
    }
    let query = uri.query().unwrap_or_default();
    let member = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    if !member("state").is_some_and(|state| awaited.state == Secret::new(state)) {
        let text = "This is not the login that actix-salesforce doctor waits for.";
        return (StatusCode::BAD_REQUEST, page(text)).into_response();
    }
    let (callback, text) = match (member("code"), member("error")) {
        (Some(code), None) => {
            (Callback::Code(Secret::new(code)), "You can close this window and go back to the terminal.")
        }
        (_, error) => {
            let code = error.unwrap_or_else(|| "unknown_error".to_owned());
            let refused = Callback::Refused { code, description: member("error_description") };
            (refused, "Salesforce refused the login. The terminal says why.")
        }
    };
    // A callback that comes twice is one.
    let _ = awaited.received.try_send(callback);
    page(text).into_response()
}

fn page(text: &'static str) -> impl IntoResponse {
    let headers = [("cache-control", "no-store"), ("referrer-policy", "no-referrer")];
    (
        headers,
        Html(format!("<!doctype html><meta charset=utf-8><title>actix-salesforce doctor</title><p>{text}")),
    )
}
