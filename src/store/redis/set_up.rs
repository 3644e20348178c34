//! Sets a new connection up by the Redis client: protocol, user, password and database.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll},
};

use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisResult, aio::MultiplexedConnection};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::oneshot,
};

/// Has the Redis client send what a new connection begins with, and takes the stream back.
pub(super) async fn set_up(stream: TcpStream, settings: &RedisConnectionInfo) -> RedisResult<TcpStream> {
    let (return_to, returned) = oneshot::channel();
    let lent = Lent { stream: Some(stream), return_to: Some(return_to) };
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connected = MultiplexedConnection::new_with_config(settings, lent, config).await?;
    // The replies have been read; the stream comes back when the client's part is dropped.
    drop(connected);
    returned.await.map_err(|_| io::Error::from(ErrorKind::NotConnected).into())
}

/// A stream that is returned when it is dropped.
struct Lent {
    stream: Option<TcpStream>,
    return_to: Option<oneshot::Sender<TcpStream>>,
}

impl Lent {
    fn stream(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        let stream = self.get_mut().stream.as_mut().map(Pin::new);
        stream.ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(stream), Some(return_to)) = (self.stream.take(), self.return_to.take()) {
            // An error means that setting up failed: the stream ends.
            let _ = return_to.send(stream);
        }
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}
