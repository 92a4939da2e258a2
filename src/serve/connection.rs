//! Connections: accepted, bounded in number and patience, and drained at the end.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use futures::future::join_all;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::room::{For, Room, Seat, Wait};
use super::{Guard, Web};

/// Connections at once over all listeners: scrapers, probes of the kubelet and people come to
/// a dozen. For one more, who has kept the server waiting for the longest is let go.
const CONNECTIONS: usize = 256;

/// From a connection's start, or its last answer, to the end of the next request's headers. Above
/// a minute, so that a scraper with that interval keeps its connection.
const NEXT_REQUEST: Duration = Duration::from_secs(75);

/// From a connection's start to the end of its TLS handshake: several round trips from anywhere.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What is ready to be sent must be taken within this; it is [`BUFFER`] or a chunk, so that even
/// a modem is fast enough.
const STALL: Duration = Duration::from_secs(30);

/// The most that is read ahead of, or held back for, one connection, in bytes.
const BUFFER: usize = 64 * 1024;

/// Answers under way may finish within this after shutdown begins: enough for a scrape, and well
/// within the 30 s that Kubernetes gives by default.
const DRAIN: Duration = Duration::from_secs(5);

/// Between two looks at who could be let go, where all connections are being answered.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// After a failed accept (mostly: no file descriptors left) before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers whom `guard` lets in on all listeners until `shutdown`, then lets answers under way
/// finish, for a few seconds at most.
pub async fn serve(
    listeners: Vec<TcpListener>,
    web: Web,
    guard: Guard,
    shutdown: CancellationToken,
) {
    let router = web.router(&guard);
    let room = &web.inner.room;
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let each = listeners.into_iter().map(|listener| {
        accept_all(
            listener,
            router.clone(),
            guard.clone(),
            (Arc::clone(&slots), Arc::clone(room)),
            shutdown.clone(),
        )
    });
    join_all(each).await;
}

async fn accept_all(
    listener: TcpListener,
    router: Router,
    guard: Guard,
    (slots, room): (Arc<Semaphore>, Arc<Room>),
    shutdown: CancellationToken,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener) => {
                let Some(stream) = accepted else { continue };
                let Some(Some(slot)) = shutdown.run_until_cancelled(slot(&slots, &room)).await else { break };
                let (router, shutdown) = (router.clone(), shutdown.clone());
                let (client, seat) = (Client::of(&stream), Arc::new(room.seat()));
                let tls = guard.tls();
                open.spawn(async move {
                    let talk = welcome(stream, client, tls, router, shutdown, Arc::clone(&seat));
                    // Nothing comes of one that was let go.
                    let (Some(()) | None) = seat.leave.run_until_cancelled(talk).await;
                    drop(slot);
                });
            }
            // Takes what has ended out of the set.
            Some(_) = open.join_next() => {}
        }
    }
    drop(listener);
    if timeout(DRAIN, async { while open.join_next().await.is_some() {} })
        .await
        .is_err()
    {
        tracing::warn!(
            connections = open.len(),
            "closed connections that did not end in time"
        );
    }
}

async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => {
            // A body's last chunk is short and must not wait for the acknowledgement of the others.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "could not set a client's connection to send at once");
            }
            Some(stream)
        }
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// A place for one more connection; where there is none, others are let go.
async fn slot(slots: &Arc<Semaphore>, room: &Room) -> Option<OwnedSemaphorePermit> {
    let mut slot = pin!(Arc::clone(slots).acquire_owned());
    loop {
        if slots.available_permits() == 0 {
            room.let_go();
        }
        if let Ok(slot) = timeout(LOOK_EVERY, slot.as_mut()).await {
            return slot.ok();
        }
    }
}

/// Whether a request came by loopback: from this machine, or to its pod through `kubectl port-forward`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local(pub(super) bool);

/// The address that a request came from, where it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) Option<IpAddr>);

/// What is known of who connects.
#[derive(Clone, Copy, Debug)]
struct Client {
    local: Local,
    peer: Peer,
}

impl Client {
    fn of(stream: &TcpStream) -> Self {
        let ip = |address: io::Result<SocketAddr>| Some(address.ok()?.ip().to_canonical());
        Self {
            local: Local(ip(stream.local_addr()).is_some_and(|ip| ip.is_loopback())),
            peer: Peer(ip(stream.peer_addr())),
        }
    }
}

/// Answers one connection, once it is encrypted where it is to be.
async fn welcome(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    client: Client,
    tls: Option<TlsAcceptor>,
    router: Router,
    shutdown: CancellationToken,
    seat: Arc<Seat>,
) {
    let asking = seat.wait(For::Asking);
    let stream = Patient::new(stream, Arc::clone(&seat));
    let Some(tls) = tls else {
        return converse(stream, client, router, shutdown, (seat, asking)).await;
    };
    let handshake = timeout(HANDSHAKE, tls.accept(stream));
    match shutdown.run_until_cancelled(handshake).await {
        None => {}
        Some(Ok(Ok(stream))) => converse(stream, client, router, shutdown, (seat, asking)).await,
        Some(Ok(Err(error))) => tracing::debug!(%error, "a client's TLS handshake failed"),
        Some(Err(_)) => tracing::debug!("a client's TLS handshake took too long"),
    }
}

/// Answers one connection's requests, one after the other.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    client: Client,
    router: Router,
    shutdown: CancellationToken,
    (seat, asking): (Arc<Seat>, Wait),
) {
    let router = TowerToHyperService::new(router);
    let asking = Arc::new(Mutex::new(Some(asking)));
    let service = service_fn(move |mut request: Request<Incoming>| {
        // From here to the end of the answer, the client waits for the server.
        drop(asking.lock().unwrap_or_else(PoisonError::into_inner).take());
        request.extensions_mut().insert(client.local);
        request.extensions_mut().insert(client.peer);
        let answered = router.call(request);
        let (seat, asking) = (Arc::clone(&seat), Arc::clone(&asking));
        async move {
            let response = answered.await?;
            let then = Then { seat, asking };
            Ok::<_, Infallible>(response.map(|body| Answer { body, _then: then }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_REQUEST)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection broke off");
    }
}

/// A body; once it ends, the client's next request is waited for.
struct Answer {
    body: axum::body::Body,
    _then: Then,
}

struct Then {
    seat: Arc<Seat>,
    asking: Arc<Mutex<Option<Wait>>>,
}

impl Drop for Then {
    fn drop(&mut self) {
        let wait = self.seat.wait(For::Asking);
        *self.asking.lock().unwrap_or_else(PoisonError::into_inner) = Some(wait);
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose peer must keep taking what is written to it.
struct Patient<Stream> {
    stream: Stream,
    /// Runs from the first write that had to wait until all is written: hyper flushes then.
    stalled: Option<(Pin<Box<Sleep>>, Wait)>,
    seat: Arc<Seat>,
}

impl<Stream> Patient<Stream> {
    const fn new(stream: Stream, seat: Arc<Seat>) -> Self {
        Self {
            stream,
            stalled: None,
            seat,
        }
    }

    /// `written`, or an error where the peer has made it wait for too long.
    fn unless_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            return written;
        }
        let seat = &self.seat;
        let (stalled, _) = self.stalled.get_or_insert_with(|| {
            let until = tokio::time::sleep_until(Instant::now() + STALL);
            (Box::pin(until), seat.wait(For::Taking))
        });
        match stalled.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client stopped reading",
            ))),
        }
    }
}

impl<Stream: AsyncRead + Unpin> AsyncRead for Patient<Stream> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<Stream: AsyncWrite + Unpin> AsyncWrite for Patient<Stream> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stalled = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::watch;

    use super::*;
    use crate::record::samples::empty;

    fn seat() -> Arc<Seat> {
        Arc::new(Arc::<Room>::default().seat())
    }

    /// A connection under way over a pipe that holds 512 bytes; gives the client's end and how
    /// long the conversation took.
    fn connect(
        shutdown: &CancellationToken,
    ) -> (DuplexStream, impl Future<Output = Duration> + use<>) {
        let web = Web::new(watch::channel(empty()).1, "/metrics");
        let (server, client) = duplex(512);
        let (router, shutdown) = (
            web.unwrap().router(&Guard::open().unwrap()),
            shutdown.clone(),
        );
        let client_of = Client {
            local: Local(false),
            peer: Peer(None),
        };
        let started = Instant::now();
        let task = tokio::spawn(welcome(server, client_of, None, router, shutdown, seat()));
        (client, async move {
            task.await.unwrap();
            started.elapsed()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_scraper_that_stops_reading_is_given_up() {
        let (mut client, conversation) = connect(&CancellationToken::new());
        client
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(conversation.await, STALL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_ends_is_given_up() {
        let (mut client, conversation) = connect(&CancellationToken::new());
        client
            .write_all(b"GET /metrics HTTP/1.1\r\nHost:")
            .await
            .unwrap();
        assert_eq!(conversation.await, NEXT_REQUEST);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_under_way_is_finished_after_shutdown_began() {
        let shutdown = CancellationToken::new();
        let (mut client, conversation) = connect(&shutdown);
        client
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = vec![0; 100];
        client.read_exact(&mut answer).await.unwrap();
        shutdown.cancel();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"\r\n0\r\n\r\n"));
        assert_eq!(conversation.await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_is_given_up() {
        let (server, _client) = duplex(8);
        let started = Instant::now();
        let error = Patient::new(server, seat())
            .write_all(&[0; 9])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed(), STALL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_served_as_long_as_it_takes_what_is_ready() {
        let (server, mut client) = duplex(8);
        let mut server = Patient::new(server, seat());
        let reader = tokio::spawn(async move {
            let mut taken = [0; 8];
            for _ in 0..3 {
                sleep(STALL * 2 / 3).await;
                client.read_exact(&mut taken).await.unwrap();
            }
        });
        for _ in 0..3 {
            server.write_all(&[0; 8]).await.unwrap();
            server.flush().await.unwrap();
        }
        reader.await.unwrap();
    }
}
