//! Bodies that misbehave while they are sent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};
use http_body_util::channel::{Channel, Sender};

use super::disconnect::{Disconnect, ON_THE_WIRE};

type Pipe = Sender<Bytes, io::Error>;

fn piped<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Pipe) -> F) -> Body {
    let (sender, body) = Channel::new(4);
    tokio::spawn(work(sender));
    Body::new(body)
}

/// Sends the bytes, waits until they are on the wire, then ends the connection: with a reset when `cut` is
/// given, in order otherwise.
pub(super) fn broken_off(bytes: Bytes, disconnect: Option<Arc<Disconnect>>) -> Body {
    piped(|mut pipe| async move {
        let _ = pipe.send_data(bytes).await;
        tokio::time::sleep(ON_THE_WIRE).await;
        if let Some(disconnect) = disconnect {
            disconnect.reset();
        }
        pipe.abort(io::Error::other("broken off on order"));
    })
}

/// Sends the bytes, the last one only when the connection is set to end in a reset: nothing comes between them.
pub(super) fn then_disconnect(bytes: Bytes, disconnect: Arc<Disconnect>) -> Body {
    let most = bytes.len().saturating_sub(1);
    piped(move |mut pipe| async move {
        let _ = pipe.send_data(bytes.slice(..most)).await;
        tokio::time::sleep(ON_THE_WIRE).await;
        disconnect.reset();
        let _ = pipe.send_data(bytes.slice(most..)).await;
    })
}

/// Bytes in one piece of a body whose reader is watched.
const PIECE: usize = 16 * 1024;

/// Sends the bytes in pieces; resets the connection once the client takes none of them for `limit`.
pub(super) fn read_within(bytes: Bytes, limit: Duration, disconnect: Arc<Disconnect>) -> Body {
    piped(move |mut pipe| async move {
        let mut start = 0;
        while start < bytes.len() {
            let end = (start + PIECE).min(bytes.len());
            let sent = tokio::time::timeout(limit, pipe.send_data(bytes.slice(start..end)));
            match sent.await {
                Ok(Ok(())) => start = end,
                Ok(Err(_)) => return,
                Err(_) => {
                    disconnect.reset();
                    pipe.abort(io::Error::other("not read in time"));
                    return;
                }
            }
        }
    })
}

/// One byte per second.
pub(super) fn drip(bytes: Bytes) -> Body {
    piped(|mut pipe| async move {
        for i in 0..bytes.len() {
            if pipe.send_data(bytes.slice(i..=i)).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
}

/// JSON that never ends.
pub(super) fn endless() -> Body {
    piped(|mut pipe| async move {
        let mut next = Bytes::from_static(b"{\"records\":[{\"Id\":\"001000000000000AAA\"}");
        let more = Bytes::from(",{\"Id\":\"001000000000000AAA\"}".repeat(512));
        while pipe.send_data(next).await.is_ok() {
            next = more.clone();
            // Lets other connections of the same thread have their turn.
            tokio::task::yield_now().await;
        }
    })
}

/// Inflates to `{"padding":"aaa…"}` with `size` letters. One block is compressed once and repeated: deflate
/// blocks that end on a byte boundary and look back only into themselves can be strung together.
pub(super) fn gzip_bomb(size: u64) -> Body {
    const BLOCK: usize = 1 << 20;
    piped(move |mut pipe| async move {
        let letters = vec![b'a'; BLOCK];
        let block = Bytes::from(deflated(&letters));
        let block_crc = crc(&letters);
        let mut sum = Crc::new();
        let send = |bytes: Vec<u8>| Bytes::from(bytes);
        // Header: deflate, no name, no time, unknown system.
        let mut head = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        head.extend(part(b"{\"padding\":\"", &mut sum));
        if pipe.send_data(send(head)).await.is_err() {
            return;
        }
        for _ in 0..size / BLOCK as u64 {
            sum.combine(&block_crc);
            if pipe.send_data(block.clone()).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        let rest = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        let mut tail = part(letters.get(..rest).unwrap_or_default(), &mut sum);
        tail.extend(part(b"\"}", &mut sum));
        // The last, empty block, then checksum and length.
        tail.extend([3, 0]);
        tail.extend(sum.sum().to_le_bytes());
        tail.extend(sum.amount().to_le_bytes());
        let _ = pipe.send_data(send(tail)).await;
    })
}

fn part(bytes: &[u8], sum: &mut Crc) -> Vec<u8> {
    sum.update(bytes);
    deflated(bytes)
}

fn crc(bytes: &[u8]) -> Crc {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc
}

/// Raw deflate blocks, flushed to a byte boundary, without the final mark.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 100 + 1_024);
    let mut compress = Compress::new(Compression::default(), false);
    while (usize::try_from(compress.total_in()).unwrap_or(usize::MAX)) < bytes.len() || out.is_empty() {
        let done = usize::try_from(compress.total_in()).unwrap_or(0);
        out.reserve(1_024);
        if compress
            .compress_vec(bytes.get(done..).unwrap_or_default(), &mut out, FlushCompress::Sync)
            .is_err()
            || bytes.is_empty()
        {
            break;
        }
    }
    out
}
