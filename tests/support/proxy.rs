//! A way to a server on which things go wrong.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub struct Proxy {
    pub port: u16,
    silence: watch::Sender<u64>,
    way: watch::Sender<Way>,
    server: watch::Sender<u16>,
}

/// What happens to bytes on the way.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    /// Requests are so late.
    delay: Duration,
    /// Requests wait here.
    holds_requests: bool,
    /// Requests get through, their responses wait here.
    holds_responses: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
}

impl Way {
    fn is_open(&self, direction: Direction) -> bool {
        match direction {
            Direction::Request => !self.holds_requests,
            Direction::Response => !self.holds_responses,
        }
    }
}

impl Proxy {
    /// In front of a port of this machine. It lives on the test's runtime.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free loopback port");
        let port = listener.local_addr().expect("its address").port();
        let (silence, silenced) = watch::channel(0);
        let (way, ways) = watch::channel(Way::default());
        let (leads_to, server) = watch::channel(server);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut silenced, ways) = (silenced.clone(), ways.clone());
                silenced.mark_unchanged();
                let server = *server.borrow();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    tokio::select! {
                        () = pump(&mut from_client, &mut to_server, ways.clone(), Direction::Request) => {}
                        () = pump(&mut from_server, &mut to_client, ways.clone(), Direction::Response) => {}
                        // The connections stay open, and are not read: this task has both to itself.
                        Ok(()) = silenced.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, silence, way, server: leads_to }
    }

    /// Like a firewall that has forgotten its connections: from now on nothing comes through those that are open, neither
    /// end notices, and a new connection works.
    pub fn silence(&self) {
        self.silence.send_modify(|times| *times += 1);
    }

    /// New connections lead to another port. Those that are open stay.
    pub fn lead_to(&self, server: u16) {
        self.server.send_replace(server);
    }

    /// Every request is so late from now on.
    pub fn delay(&self, time: Duration) {
        self.way.send_modify(|way| way.delay = time);
    }

    /// Whether requests are held back, until they are let go.
    pub fn hold_requests(&self, hold: bool) {
        self.way.send_modify(|way| way.holds_requests = hold);
    }

    /// Whether requests take effect and their responses are held back.
    pub fn hold_responses(&self, hold: bool) {
        self.way.send_modify(|way| way.holds_responses = hold);
    }
}

/// Until one side ends.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut way: watch::Receiver<Way>,
    direction: Direction,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let delay = way.borrow().delay;
        if direction == Direction::Request && !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if way.wait_for(|way| way.is_open(direction)).await.is_err()
            || to.write_all(&bytes[..n]).await.is_err()
        {
            return;
        }
    }
}
