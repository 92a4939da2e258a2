//! The deep probe of one address: accepted versions, classes of cipher suites, key-exchange groups,
//! and what HTTP over TLS answers a stranger.
//!
//! The plan, one connection for each hello or request, and one at a time:
//!
//! 1. Each version by itself: 5 connections (`version`).
//! 2. Cipher suites by elimination (`eliminate`): a hello with every suite of every class that is
//!    still open; the suite that the server chooses settles its classes. TLS 1.2 first, since what
//!    it settles need not be asked under the older versions, of which each then costs one refusal;
//!    TLS 1.3 last, for the suites that no profile names. At most 12 answers, one for each class,
//!    and 5 refusals, one for each version; four more of a server that has an ECDSA certificate.
//! 3. Groups by elimination: under TLS 1.3 without a key share, so that the server names the group
//!    that it wants; under older versions, where 1.3 is refused, by the curve of the
//!    `ServerKeyExchange`. At most 10 answers, or 9 and a refusal.
//! 4. HTTP requests (`https`), where the door is one for them: one of most doors, two of a kubelet,
//!    six of an API server.
//! 5. The certificate for the other kind of key: one connection where TLS 1.2 is accepted, which
//!    shows it in clear. Where only TLS 1.3 is, one that asks for RSA, and another where it was
//!    shown: by full handshakes, as certificates are encrypted there.
//!
//! A refusal that says so (`handshake_failure`, `insufficient_security`) is believed, for the
//! version was accepted a moment ago. One by another alert, a close or a reset may as well be a
//! limit on connections: it is believed where the version's own hello is accepted right after, one
//! connection more. An alert that was believed once is so again: a limit would not have said the
//! same. So a default nginx costs some 19 connections, and no server more than 40, requests
//! included: [`CONNECTIONS_MAX`] sees to that.
//! A server that goes quiet, or costs more, leaves what was not settled unknown.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{Message, named_group};
use super::chain::Chains;
use super::dial::reach;
use super::eliminate::{Elimination, Reply};
use super::ended::Ended;
use super::exchange::Exchange;
use super::handshake::{Handshaker, Keys};
use super::hello::Offer;
use super::https;
use super::legacy::{FLIGHT_MAX_BYTES, flight};
use super::names::cipher_name;
use super::suites;
use super::trace::Tracer;
use super::version::{HelloAnswer, ask, settle};
use crate::clock;
use crate::model::{
    Acceptance, At, CipherClass, CipherSupport, DeepSeen, Group, GroupSupport, Handshake,
    HttpsAnswer, TlsDoor, TlsVersion, VersionSupport,
};

/// The deadline of the whole, in regular ones: a server that lets five hellos hang must leave time
/// for the others.
const WHOLE_TIMEOUTS: u32 = 5;

/// A hello's share of a regular deadline, in fifths: a regular probe has to do more in its own.
const HELLO_FIFTHS: u32 = 3;

/// The most connections, whatever the server answers: what it has to bear. Of real servers none is
/// known to take as many.
const CONNECTIONS_MAX: u32 = 40;

/// The order in which versions are asked for cipher suites.
const CIPHER_VERSIONS: [TlsVersion; 5] = [
    TlsVersion::Tls12,
    TlsVersion::Tls11,
    TlsVersion::Tls10,
    TlsVersion::Ssl30,
    TlsVersion::Tls13,
];

/// The versions before TLS 1.3 that have named groups, newest first.
const CURVE_VERSIONS: [TlsVersion; 3] = [TlsVersion::Tls12, TlsVersion::Tls11, TlsVersion::Tls10];

/// One address under the deep probe.
#[derive(Debug)]
pub(super) struct Deep<'a> {
    door: &'a TlsDoor,
    ip: IpAddr,
    handshaker: &'a Handshaker,
    chains: &'a Chains,
    each: Duration,
    deadline: Instant,
    /// Hellos that may still be sent.
    left: AtomicU32,
    /// The alerts by which this server is known to refuse, a bit each.
    refuses_by: AtomicU32,
}

/// What a server chose.
#[derive(Clone, Copy, Debug)]
struct Choice {
    cipher: u16,
    group: Option<u16>,
}

impl<'a> Deep<'a> {
    /// Of the address `ip` behind `door`; `regular` is a regular probe's deadline.
    pub(super) fn new(
        door: &'a TlsDoor,
        ip: IpAddr,
        handshaker: &'a Handshaker,
        chains: &'a Chains,
        regular: Duration,
    ) -> Self {
        Self {
            door,
            ip,
            handshaker,
            chains,
            each: regular * HELLO_FIFTHS / 5,
            deadline: Instant::now() + regular * WHOLE_TIMEOUTS,
            left: AtomicU32::new(hellos_max(door)),
            refuses_by: AtomicU32::new(0),
        }
    }

    /// Asks everything. `handshake` is the version that the last full handshake settled on.
    pub(super) async fn ask(&self, handshake: TlsVersion) -> DeepSeen {
        let versions = self.versions(handshake).await;
        let mut ecdsa = false;
        let ciphers = self.ciphers(versions, &mut ecdsa).await;
        DeepSeen {
            versions,
            ciphers,
            groups: self.groups(versions).await,
            https: self.https().await,
            by_key: self.by_key(versions, ecdsa).await.into(),
        }
    }

    /// The answers to the requests; a server that leaves one without an answer is asked no more.
    async fn https(&self) -> Vec<HttpsAnswer> {
        let mut answers = Vec::new();
        for path in self.door.requests.paths() {
            let deadline = self.deadline.min(Instant::now() + self.each);
            match https::ask(self.handshaker, self.door, self.ip, path, deadline).await {
                Some(answer) => answers.push(answer),
                None => break,
            }
        }
        answers
    }

    async fn versions(&self, handshake: TlsVersion) -> VersionSupport {
        let mut answers = [HelloAnswer::Missing; 5];
        for (answer, version) in answers.iter_mut().zip(TlsVersion::ALL) {
            let asked = async {
                let mut stream = self.reach(self.deadline).await?;
                Some(ask(&mut stream, version, self.name()).await)
            };
            if let Ok(Some(heard)) = timeout(self.each, asked).await {
                *answer = heard;
            }
        }
        settle(&answers, Some(handshake))
    }

    /// What the server shows by the kind of key that it does not show otherwise: `ecdsa` is whether
    /// it took a suite of such a key before TLS 1.3, whose suites do not tell. There, a server
    /// that has no RSA certificate refuses at once; of one that has, both are asked for, as it is
    /// not known which it prefers.
    async fn by_key(&self, versions: VersionSupport, ecdsa: bool) -> Vec<At<Handshake>> {
        let accepts = |version| versions.of(version) == Acceptance::Accepted;
        if accepts(TlsVersion::Tls12) {
            return Vec::from_iter(self.in_clear(!ecdsa).await);
        }
        let mut shown = Vec::new();
        if accepts(TlsVersion::Tls13) {
            for keys in [Keys::Rsa, Keys::Others] {
                match self.encrypted(keys).await {
                    Some(seen) => shown.push(seen),
                    None => break,
                }
            }
        }
        shown
    }

    /// The handshake where only such keys can be verified.
    async fn encrypted(&self, keys: Keys) -> Option<At<Handshake>> {
        let deadline = self.deadline.min(Instant::now() + self.each);
        let asked = async {
            let mut stream = self.reach(deadline).await?;
            let mut tracer = Tracer::new(Instant::now());
            let seen = self
                .handshaker
                .run(&mut stream, self.door, keys, &mut tracer);
            seen.await.ok()
        };
        let (value, _) = timeout_at(deadline, asked).await.ok().flatten()?;
        let at = clock::now();
        Some(At { at, value })
    }

    /// What the server shows where it is offered suites of this kind of key alone. Before TLS 1.3 the
    /// certificate comes in clear.
    async fn in_clear(&self, ecdsa: bool) -> Option<At<Handshake>> {
        let offer = Offer {
            suites: suites::of_kind(ecdsa),
            ..Offer::of(TlsVersion::Tls12)
        };
        let deadline = self.deadline.min(Instant::now() + self.each);
        let asked = async {
            let mut stream = self.reach(deadline).await?;
            flight(&mut stream, &offer, self.name()).await.ok()
        };
        let facts = timeout_at(deadline, asked).await.ok().flatten()?;
        Some(At {
            at: clock::now(),
            value: facts.handshake(self.chains)?,
        })
    }

    /// `ecdsa` is whether it has an ECDSA certificate.
    async fn ciphers(&self, versions: VersionSupport, ecdsa: &mut bool) -> CipherSupport {
        let mut answers = CipherSupport::UNKNOWN;
        let mut open = CipherClass::ALL.to_vec();
        let mut everywhere = true;
        for version in CIPHER_VERSIONS {
            match versions.of(version) {
                Acceptance::Accepted => {}
                Acceptance::Refused => continue,
                Acceptance::Unknown => {
                    everywhere = false;
                    continue;
                }
            }
            let settled = self.classes(version, &open, ecdsa).await;
            let accepted = |class| settled.accepted.contains(&class);
            mark(
                &mut answers.0,
                CipherClass::ALL,
                accepted,
                Acceptance::Accepted,
            );
            open = settled.rest;
            if !settled.is_over {
                everywhere = false;
                break;
            }
        }
        if everywhere {
            let refused = |class| open.contains(&class);
            mark(
                &mut answers.0,
                CipherClass::ALL,
                refused,
                Acceptance::Refused,
            );
        }
        answers
    }

    /// Which of the `open` classes the server takes. `ecdsa` is whether it has an ECDSA certificate.
    ///
    /// A server with certificates of both kinds may pick one before it looks for a suite that goes
    /// with it (haproxy: ECDSA where any such suite is offered), and so refuse a mix of which it
    /// takes some. What needs no ECDSA certificate is then offered by itself.
    async fn classes(
        &self,
        version: TlsVersion,
        open: &[CipherClass],
        ecdsa: &mut bool,
    ) -> Elimination<CipherClass> {
        let is_of = |suite, class| suites::classes(suite).any(|of| of == class);
        let mut classes = Elimination::of(open);
        let mut offer = Offer::of(version);
        let mut mixed = true;
        loop {
            offer.suites = suites::of_classes(version, &classes.rest);
            let apart = suites::without_ecdsa(&offer.suites);
            if !mixed {
                offer.suites = apart.clone().unwrap_or(offer.suites);
            }
            let reply = if offer.suites.is_empty() {
                Reply::Refused
            } else {
                self.reply(&offer, |choice| Some(choice.cipher)).await
            };
            if let Reply::Chose(suite) = reply {
                *ecdsa |= suites::is_ecdsa(suite);
            }
            if mixed && *ecdsa && reply == Reply::Refused && apart.is_some() {
                mixed = false;
                continue;
            }
            if !classes.take(reply, &offer.suites, is_of) {
                return classes;
            }
        }
    }

    async fn groups(&self, versions: VersionSupport) -> GroupSupport {
        let mut answers = GroupSupport::UNKNOWN;
        let (asked, settled) = match versions.of(TlsVersion::Tls13) {
            Acceptance::Unknown => return answers,
            Acceptance::Accepted => {
                let groups = Group::ALL.to_vec();
                let offer = Offer::of(TlsVersion::Tls13);
                (groups.clone(), self.shared(offer, &groups).await)
            }
            Acceptance::Refused => {
                let hybrid = |group: Group| group.is_post_quantum();
                mark(&mut answers.0, Group::ALL, hybrid, Acceptance::Refused);
                let Some(version) = newest(versions) else {
                    return answers;
                };
                let curves: Vec<_> = (Group::ALL.into_iter())
                    .filter(|one| one.is_curve())
                    .collect();
                let mut offer = Offer::of(version);
                offer.suites = suites::with_curves(version);
                (curves.clone(), self.shared(offer, &curves).await)
            }
        };
        let accepted = |group| settled.accepted.contains(&group);
        mark(&mut answers.0, Group::ALL, accepted, Acceptance::Accepted);
        if settled.is_over {
            let refused = |group| asked.contains(&group) && !accepted(group);
            mark(&mut answers.0, Group::ALL, refused, Acceptance::Refused);
        }
        answers
    }

    /// Which of `groups` the server shares, asked by hellos like `offer`.
    ///
    /// Before TLS 1.3 the curve of an ECDSA certificate must be among those offered (RFC 8422
    /// section 5.1): once a curve was taken out, a refusal may be about the certificate.
    async fn shared(&self, mut offer: Offer, groups: &[Group]) -> Elimination<Group> {
        let is_it = |number, group: Group| group.number() == number;
        let mut shared = Elimination::of(groups);
        let mut ecdsa = false;
        loop {
            offer.groups = shared.rest.iter().map(|group| group.number()).collect();
            let reply = self.reply(&offer, |choice| {
                ecdsa |= cipher_name(choice.cipher).starts_with("TLS_ECDHE_ECDSA_");
                choice.group
            });
            if !shared.take(reply.await, &offer.groups, is_it) {
                shared.is_over &= !ecdsa || shared.rest.is_empty();
                return shared;
            }
        }
    }

    /// What the server makes of an offer under a version that it accepts; `chosen` takes the number
    /// in question from its choice.
    async fn reply(
        &self,
        offer: &Offer,
        chosen: impl FnOnce(Choice) -> Option<u16> + Send,
    ) -> Reply {
        match self.hear(offer).await {
            Some(Ok(choice)) => chosen(choice).map_or(Reply::Unclear, Reply::Chose),
            Some(Err(Ended::Alert(40 | 71))) => Reply::Refused,
            Some(Err(ended)) if may_refuse(&ended) => {
                let alert = bit(&ended);
                if self.refuses_by.load(Ordering::Relaxed) & alert != 0 {
                    return Reply::Refused;
                }
                let control = self.hear(&Offer::of(offer.version)).await;
                if matches!(control, Some(Ok(_))) {
                    self.refuses_by.fetch_or(alert, Ordering::Relaxed);
                    Reply::Refused
                } else {
                    Reply::Unclear
                }
            }
            Some(Err(_)) | None => Reply::Unclear,
        }
    }

    /// One conversation; `None` where there was no connection, or no end before the deadline.
    async fn hear(&self, offer: &Offer) -> Option<Result<Choice, Ended>> {
        let deadline = self.deadline.min(Instant::now() + self.each);
        let asked = async {
            let mut stream = self.reach(deadline).await?;
            Some(choice(&mut stream, offer, self.name()).await)
        };
        timeout_at(deadline, asked).await.ok().flatten()
    }

    /// One of the connections that are left.
    async fn reach(&self, deadline: Instant) -> Option<TcpStream> {
        let one_less = |left: u32| left.checked_sub(1);
        (self.left)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .ok()?;
        reach(self.door, self.ip, deadline).await.ok()
    }

    fn name(&self) -> Option<&'a str> {
        self.door.server_name.as_deref()
    }
}

/// Sends `offer` and reads what the server chooses, up to the group where that comes apart.
async fn choice<S>(
    stream: &mut S,
    offer: &Offer,
    server_name: Option<&str>,
) -> Result<Choice, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut exchange = Exchange::open(stream, offer, server_name, FLIGHT_MAX_BYTES).await;
    let Message::ServerHello(hello) = exchange.next_message().await? else {
        return Err(Ended::Malformed("no ServerHello first"));
    };
    let mut group = hello.group;
    let comes_apart = cipher_name(hello.cipher).starts_with("TLS_ECDHE_");
    while comes_apart && group.is_none() {
        match exchange.next_message().await {
            Ok(Message::ServerKeyExchange(body)) => {
                group = named_group(hello.cipher, &body);
                break;
            }
            // The suite was chosen all the same.
            Ok(Message::ServerHelloDone) | Err(_) => break,
            Ok(_) => {}
        }
    }
    exchange.close(offer.version).await;
    Ok(Choice {
        cipher: hello.cipher,
        group,
    })
}

/// Whether servers are known to refuse suites or groups like this, among other things that they
/// mean by it: `unexpected_message` (Java, of groups), `illegal_parameter`, `protocol_version`,
/// `internal_error`, and no word at all (Windows).
fn may_refuse(ended: &Ended) -> bool {
    matches!(
        ended,
        Ended::Alert(10 | 47 | 70 | 80) | Ended::Closed | Ended::Reset
    )
}

/// The bit that stands for an alert; none for an end without one, which says nothing of the next.
fn bit(ended: &Ended) -> u32 {
    match ended {
        Ended::Alert(10) => 1,
        Ended::Alert(47) => 2,
        Ended::Alert(70) => 4,
        Ended::Alert(80) => 8,
        _ => 0,
    }
}

/// How many hellos there may be beside the door's requests.
fn hellos_max(door: &TlsDoor) -> u32 {
    let requests = u32::try_from(door.requests.paths().len()).unwrap_or(CONNECTIONS_MAX);
    CONNECTIONS_MAX.saturating_sub(requests)
}

fn newest(versions: VersionSupport) -> Option<TlsVersion> {
    let mut candidates = CURVE_VERSIONS.into_iter();
    candidates.find(|version| versions.of(*version) == Acceptance::Accepted)
}

/// Sets the answers to those of `all` that are meant.
fn mark<T: Copy, const N: usize>(
    answers: &mut [Acceptance; N],
    all: [T; N],
    is_meant: impl Fn(T) -> bool,
    answer: Acceptance,
) {
    for (slot, one) in answers.iter_mut().zip(all) {
        if is_meant(one) {
            *slot = answer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, Requests};

    #[test]
    fn requests_count_as_well() {
        let left = |requests| {
            hellos_max(&TlsDoor {
                address: Address::parse("192.0.2.1"),
                port: 443,
                server_name: None,
                starttls: None,
                guarded: false,
                requests,
            })
        };
        let requests = [Requests::Nothing, Requests::Browser, Requests::ApiServer];
        assert_eq!(requests.map(left), [40, 39, 34]);
    }
}
