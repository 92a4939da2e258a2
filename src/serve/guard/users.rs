//! Basic authentication (RFC 7617) against bcrypt hashes.
//!
//! A hash takes some 70 ms of one core by design. So a login that was right is remembered, by a
//! keyed digest; one that was not is checked alone, away from the threads that serve, and keeps
//! its turn for a while. Whoever guesses slows down other guesses, and no scrape.

use std::collections::{BTreeMap, HashMap};
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
        })
    }

    /// Whether everybody may come in.
    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Checks the credentials of a request.
    pub(super) async fn log_in(self: &Arc<Self>, request: &HeaderMap) -> Login {
        let Some((user, password)) = credentials(request) else {
            return Login::Wrong;
        };
        if self.remembers(&user, &password) {
            return Login::Right;
        }
        let Ok(Ok(turn)) = timeout(TURN, Arc::clone(&self.turn).acquire_owned()).await else {
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
            assert_eq!(users.log_in(&basic(right)).await, Login::Right, "{right}");
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
            assert_eq!(users.log_in(&basic(wrong)).await, Login::Wrong, "{wrong}");
        }
        for none in ["Basic", "Basic %%", "Bearer YW5uOnJpZ2h0", ""] {
            assert_eq!(users.log_in(&header(none)).await, Login::Wrong, "{none}");
        }
        assert_eq!(users.log_in(&HeaderMap::new()).await, Login::Wrong);
        let lower = header(&format!("basic {}", STANDARD.encode("ann:right")));
        assert_eq!(users.log_in(&lower).await, Login::Right);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_login_holds_up_the_next_one_and_not_one_that_is_remembered() {
        let users = users();
        assert_eq!(users.log_in(&basic("ann:right")).await, Login::Right);
        let started = Instant::now();
        assert_eq!(users.log_in(&basic("ann:wrong")).await, Login::Wrong);
        assert_eq!(users.log_in(&basic("ann:right")).await, Login::Right);
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert_eq!(users.log_in(&basic("ann:wrong")).await, Login::Wrong);
        assert!(started.elapsed() >= WRONG, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_whose_turn_does_not_come_is_told_to_try_again() {
        let users = users();
        let _turn = Arc::clone(&users.turn).acquire_owned().await.unwrap();
        let started = Instant::now();
        assert_eq!(users.log_in(&basic("ann:right")).await, Login::Busy);
        assert_eq!(started.elapsed(), TURN);
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
