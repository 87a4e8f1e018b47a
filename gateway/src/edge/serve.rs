//! The accept loop: one port for HTTP/1.1 and HTTP/2 (h2c), with limits on every connection, and a stop that drains.
//! Called by the binary with a listener that is already bound.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::sign_in::Peer;
use super::{Gateway, unread};

/// Connections at once. More wait in the listener's queue.
const CONNECTIONS: usize = 10_000;
/// The first bytes of HTTP/2 (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Time for a client to send its headers.
const HEADER_TIME: Duration = Duration::from_secs(20);
/// Streams at once on one HTTP/2 connection.
const STREAMS: u32 = 250;
/// Time for open requests to end when the process stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until `stop`, then lets open requests end, for at most ten seconds.
pub async fn serve(gateway: Gateway, listener: TcpListener, stop: CancellationToken) {
    let builder = builder();
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let (gateway, from) = (gateway.clone(), Arc::new(Peer::new(peer.ip())));
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let (gateway, from) = (gateway.clone(), from.clone());
            async move {
                let (request, rest) = unread::watch(request);
                let response = gateway.answer(request, &from).await;
                rest.drain().await;
                Ok::<_, Infallible>(response)
            }
        });
        let (builder, watcher, stop) = (builder.clone(), graceful.watcher(), stop.clone());
        tokio::spawn(async move {
            let speaks = tokio::select! {
                () = stop.cancelled() => false,
                speaks = speaks(&stream, HEADER_TIME) => speaks,
            };
            if speaks {
                let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
                if let Err(cause) = watcher.watch(connection).await {
                    tracing::debug!(peer = %peer, cause = %cause, "connection ended");
                }
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still open after ten seconds");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(128 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .adaptive_window(true);
    builder
}

/// Waits for the bytes that tell HTTP/1.1 from HTTP/2. The library waits for them without end, so that clients which say
/// nothing could hold all connections.
async fn speaks(stream: &TcpStream, limit: Duration) -> bool {
    let mut first = [0; PREFACE.len()];
    let told = async {
        loop {
            match stream.peek(&mut first).await {
                Ok(0) | Err(_) => return false,
                Ok(seen) if seen == PREFACE.len() || first[..seen] != PREFACE[..seen] => return true,
                // A part of the preface is there, and `peek` does not wait for more.
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(limit, told).await.unwrap_or(false)
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // A small answer must not wait for the next packet.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, permit))
        }
        Err(cause) => {
            tracing::warn!(cause = %cause, "can't accept a connection");
            // Out of file descriptors, most likely: a short pause keeps the loop from spinning.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn after(bytes: &[u8]) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut client = TcpStream::connect(address).await.expect("a connection");
        client.write_all(bytes).await.expect("it is open");
        let (stream, _) = listener.accept().await.expect("a connection");
        speaks(&stream, Duration::from_millis(300)).await
    }

    #[tokio::test]
    async fn who_says_nothing_or_half_a_preface_is_not_waited_for() {
        assert!(!after(b"").await);
        assert!(!after(&PREFACE[..10]).await);
        assert!(after(PREFACE).await);
        assert!(after(b"GET / HTTP/1.1\r\n").await);
        assert!(after(b"PROPFIND / HTTP/1.1\r\n").await);
    }
}
