//! What the fuzz targets reach of this stage: the readers of what comes back.

use tokio::io::{join, sink};

use super::legacy::{LegacyFacts, legacy_handshake};
use super::version::{self, HelloAnswer};
use super::{https, plaintext, starttls, web};
use crate::model::{Failure, HttpsAnswer, PlainAnswer, StartTls, TlsVersion};

/// What a server that says these bytes and closes accepts, and what it shows of itself.
pub async fn tls(said: &[u8], version: TlsVersion) -> (HelloAnswer, Result<LegacyFacts, Failure>) {
    (
        version::ask(&mut join(said, sink()), version, Some("a.example")).await,
        legacy_handshake(&mut join(said, sink()), version, Some("a.example")).await,
    )
}

/// What these bytes are in clear, over TLS, and to who asks for a single probe.
pub fn http(said: &[u8]) -> (PlainAnswer, Option<HttpsAnswer>, Option<super::WebAnswer>) {
    let web = web::read(said, std::time::Duration::ZERO);
    (
        plaintext::classify(said),
        https::answer(said, "/"),
        web.ok().flatten(),
    )
}

/// Whether a server that says these bytes and closes comes to the handshake.
pub async fn start_tls(said: &[u8], protocol: StartTls) -> Result<(), Failure> {
    starttls::start_tls(&mut join(said, sink()), protocol, Some("a.example")).await
}
