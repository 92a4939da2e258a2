//! A relay before the API server, as a load balancer is: ends what it relays, cleanly, and lets
//! those wait, or turns them away, who come meanwhile.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use crate::ca::CA;

/// The end of a body whose length was not told before (RFC 9112 section 7.1).
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Relays in clear what an API server says over TLS.
pub(crate) struct Relay {
    address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// How often everything was ended.
    cuts: u32,
    /// Nobody is let through.
    held: bool,
    /// What everybody is answered who comes, in place of the API server; nothing: the connection is closed.
    answer: Option<&'static str>,
}

impl Relay {
    /// One before the API server there, whose certificate is [`CA`]'s.
    pub(crate) async fn before(api_server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, _) = watch::channel(State::default());
        let mut roots = RootCertStore::empty();
        roots.add(CA.issuer.der().clone()).unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let states = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let relayed = relay(client, api_server, connector.clone(), states.subscribe());
                tokio::spawn(relayed);
            }
        });
        Self { address, state }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends every watch as an API server does when its time is over.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Answers those who come from now on with these bytes, with nothing if there are none, or lets them through.
    pub(crate) fn answer(&self, answer: Option<&'static str>) {
        self.state.send_modify(|state| state.answer = answer);
    }

    /// Lets those wait who come from now on, or lets them through.
    pub(crate) fn hold(&self, held: bool) {
        self.state.send_modify(|state| state.held = held);
    }
}

async fn relay(
    mut client: TcpStream,
    api_server: SocketAddr,
    connector: TlsConnector,
    mut state: watch::Receiver<State>,
) -> std::io::Result<()> {
    if state.wait_for(|state| !state.held).await.is_err() {
        return Ok(());
    }
    let answer = state.borrow().answer;
    if let Some(answer) = answer {
        let mut request = [0; 4096];
        if !answer.is_empty() && client.read(&mut request).await? > 0 {
            client.write_all(answer.as_bytes()).await?;
        }
        return client.shutdown().await;
    }
    let cuts = state.borrow().cuts;
    let server = TcpStream::connect(api_server).await?;
    let name = ServerName::IpAddress(api_server.ip().into());
    let (mut from_server, mut to_server) = split(connector.connect(name, server).await?);
    let (mut from_client, mut to_client) = client.into_split();
    let is_cut = tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => false,
        _ = copy(&mut from_server, &mut to_client) => false,
        cut = state.wait_for(|state| state.cuts != cuts) => cut.is_ok(),
    };
    if is_cut {
        to_client.write_all(LAST_CHUNK).await?;
    }
    to_client.shutdown().await
}
