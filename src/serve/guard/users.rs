//! Basic authentication (RFC 7617) against bcrypt hashes.
//!
//! A hash takes some 70 ms of one core by design. So a login that was right is remembered, by a
//! keyed digest; one that was not is checked alone, away from the threads that serve, and keeps
//! its turn for a while. Whoever guesses slows down other guesses, and no scrape.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bcrypt::HashParts;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// How long a login that is not remembered waits for its turn: half of Prometheus' default scrape
/// timeout (10 s).
const TURN: Duration = Duration::from_secs(5);

/// How long a wrong login keeps its turn: ten guesses a second at most.
const WRONG: Duration = Duration::from_millis(100);

/// The costs that bcrypt has.
const COSTS: std::ops::RangeInclusive<u32> = 4..=31;

/// Who may log in.
#[derive(Debug)]
pub(super) struct Users {
    hashes: BTreeMap<String, String>,
    /// Made at random for this process, so that the digests are worth nothing elsewhere.
    key: hmac::Key,
    /// The last right login of each user; thus never more than there are users.
    right: Mutex<HashMap<String, hmac::Tag>>,
    turn: Arc<Semaphore>,
    /// Of each address, one login at most waits for that turn: whoever guesses stands in nobody
    /// else's way. Those whose login is under way are in here.
    queues: Mutex<HashMap<Option<IpAddr>, Arc<Semaphore>>>,
}

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    Right,
    Wrong,
    /// Others are being checked.
    Busy,
}

impl Users {
    /// Users by name with their bcrypt hashes; the error names the user whose hash is none.
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Result<Self, String> {
        for (user, hash) in &hashes {
            let cost = hash.parse::<HashParts>().map(|parts| parts.get_cost());
            if !cost.is_ok_and(|cost| COSTS.contains(&cost)) {
                return Err(format!(
                    "basic_auth_users.{user}: not a bcrypt hash; `htpasswd -nBC 10 {user}` makes one"
                ));
            }
        }
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| "the system gives no random numbers".to_owned())?;
        Ok(Self {
            hashes,
            key,
            right: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            queues: Mutex::default(),
        })
    }

    /// Whether everybody may come in.
    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Checks the credentials of a request from that address.
    pub(super) async fn log_in(
        self: &Arc<Self>,
        peer: Option<IpAddr>,
        request: &HeaderMap,
    ) -> Login {
        let Some((user, password)) = credentials(request) else {
            return Login::Wrong;
        };
        if self.remembers(&user, &password) {
            return Login::Right;
        }
        let turn = async {
            let own = self.queue(peer.map(network)).acquire_owned().await.ok()?;
            let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
            Some((own, turn))
        };
        let Ok(Some(turn)) = timeout(TURN, turn).await else {
            return Login::Busy;
        };
        let users = Arc::clone(self);
        // A task of its own: a client that hangs up does not give its turn back early.
        let checked = tokio::spawn(async move {
            let checked = spawn_blocking(move || users.check(&user, &password)).await;
            let right = checked.unwrap_or(false);
            if !right {
                tokio::spawn(async move {
                    sleep(WRONG).await;
                    drop(turn);
                });
            }
            right
        });
        match checked.await {
            Ok(true) => Login::Right,
            _ => Login::Wrong,
        }
    }

    /// Where logins from there wait for each other.
    fn queue(&self, network: Option<IpAddr>) -> Arc<Semaphore> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // Where nobody waits any more, nothing is kept: there are never more than connections.
        queues.retain(|_, queue| Arc::strong_count(queue) > 1);
        let queue = queues.entry(network);
        Arc::clone(queue.or_insert_with(|| Arc::new(Semaphore::new(1))))
    }

    /// Takes as long for a user that there is as for one that there is not.
    fn check(&self, user: &str, password: &[u8]) -> bool {
        // Another request of the same client may have been first.
        if self.remembers(user, password) {
            return true;
        }
        let known = self.hashes.get(user);
        let Some(hash) = known.or_else(|| self.hashes.values().next()) else {
            return false;
        };
        let right = bcrypt::verify(password, hash).unwrap_or(false) && known.is_some();
        if right {
            let tag = hmac::sign(&self.key, password);
            let mut remembered = self.right.lock().unwrap_or_else(PoisonError::into_inner);
            remembered.insert(user.to_owned(), tag);
        }
        right
    }

    fn remembers(&self, user: &str, password: &[u8]) -> bool {
        let remembered = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        let tag = remembered.get(user);
        tag.is_some_and(|tag| hmac::verify(&self.key, password, tag.as_ref()).is_ok())
    }
}

/// What one client has of addresses: of IPv6 a whole network of 64 bits (RFC 4291 section 2.5.1).
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// User and password of the header `Authorization`, where it has such.
fn credentials(request: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = request.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let (user, password) = decoded.split_at_checked(decoded.iter().position(|b| *b == b':')?)?;
    let user = String::from_utf8(user.to_vec()).ok()?;
    Some((user, password.get(1..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn users() -> Arc<Users> {
        let hash = |password| bcrypt::hash(password, 4).unwrap();
        let hashes = [("ann", hash("right")), ("bob", hash("b:o:b"))];
        let hashes = hashes.map(|(user, hash)| (user.to_owned(), hash));
        Arc::new(Users::new(hashes.into()).unwrap())
    }

    fn header(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    fn basic(credentials: &str) -> HeaderMap {
        header(&format!("Basic {}", STANDARD.encode(credentials)))
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_right_password_of_a_user_logs_in() {
        let users = users();
        for right in ["ann:right", "ann:right", "bob:b:o:b", "ann:right"] {
            assert_eq!(
                users.log_in(None, &basic(right)).await,
                Login::Right,
                "{right}"
            );
        }
        for wrong in [
            "ann:wrong",
            "ann:",
            "ann",
            "eve:right",
            "bob:right",
            ":",
            "Ann:right",
        ] {
            assert_eq!(
                users.log_in(None, &basic(wrong)).await,
                Login::Wrong,
                "{wrong}"
            );
        }
        for none in ["Basic", "Basic %%", "Bearer YW5uOnJpZ2h0", ""] {
            assert_eq!(
                users.log_in(None, &header(none)).await,
                Login::Wrong,
                "{none}"
            );
        }
        assert_eq!(users.log_in(None, &HeaderMap::new()).await, Login::Wrong);
        let lower = header(&format!("basic {}", STANDARD.encode("ann:right")));
        assert_eq!(users.log_in(None, &lower).await, Login::Right);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_login_holds_up_the_next_one_and_not_one_that_is_remembered() {
        let users = users();
        assert_eq!(users.log_in(None, &basic("ann:right")).await, Login::Right);
        let started = Instant::now();
        assert_eq!(users.log_in(None, &basic("ann:wrong")).await, Login::Wrong);
        assert_eq!(users.log_in(None, &basic("ann:right")).await, Login::Right);
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert_eq!(users.log_in(None, &basic("ann:wrong")).await, Login::Wrong);
        assert!(started.elapsed() >= WRONG, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_whose_turn_does_not_come_is_told_to_try_again() {
        let users = users();
        let _turn = Arc::clone(&users.turn).acquire_owned().await.unwrap();
        let started = Instant::now();
        assert_eq!(users.log_in(None, &basic("ann:right")).await, Login::Busy);
        assert_eq!(started.elapsed(), TURN);
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_holds_up_nobody_from_elsewhere() {
        let users = users();
        let [attacker, same, other] = ["2001:db8::1", "2001:db8::ff:2", "192.0.2.2"];
        let log_in = |from: &str, credentials: &str| {
            let (users, from, header) = (Arc::clone(&users), from.parse().ok(), basic(credentials));
            tokio::spawn(async move { users.log_in(from, &header).await })
        };
        let guesses: Vec<_> = (0..200)
            .map(|n| log_in(attacker, &format!("ann:{n}")))
            .collect();
        tokio::task::yield_now().await;
        let started = Instant::now();
        assert_eq!(log_in(other, "ann:right").await.unwrap(), Login::Right);
        assert!(started.elapsed() <= 2 * WRONG, "{:?}", started.elapsed());
        let [attacker, same] = [attacker, same].map(|ip| network(ip.parse().unwrap()));
        assert_eq!(attacker, same);
        for guess in guesses {
            assert_ne!(guess.await.unwrap(), Login::Right);
        }
    }

    #[test]
    fn a_hash_that_is_none_is_refused_with_its_user_and_a_remedy() {
        let cheap = bcrypt::hash("x", 4).unwrap();
        let costs = [cheap.replace("$04$", "$03$"), cheap.replace("$04$", "$32$")];
        for hash in ["", "right", "$6$abc$def"]
            .into_iter()
            .chain(costs.iter().map(|c| &**c))
        {
            let error = Users::new([("ann".to_owned(), hash.to_owned())].into()).unwrap_err();
            assert!(error.contains("basic_auth_users.ann"), "{error}");
            assert!(error.contains("htpasswd"), "{error}");
        }
    }
}
