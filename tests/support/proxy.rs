//! A way to a server that can fall silent, as a firewall does that has forgotten a connection: nothing comes through any
//! more, nobody is told, and a new connection works.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub struct Proxy {
    pub port: u16,
    silence: watch::Sender<u64>,
}

impl Proxy {
    /// In front of a port of this machine. It lives on the test's runtime.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free loopback port");
        let port = listener.local_addr().expect("its address").port();
        let (silence, silenced) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut silenced = silenced.clone();
                silenced.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        // The connections stay open, and nobody reads them.
                        Ok(()) = silenced.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, silence }
    }

    /// From now on nothing comes through the connections that there are.
    pub fn silence(&self) {
        self.silence.send_modify(|times| *times += 1);
    }
}
