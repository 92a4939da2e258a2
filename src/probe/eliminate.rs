//! Elimination: which of many things a server takes, in as few questions as there are things that
//! it does take, and one more.
//!
//! All that is open is offered at once. The server chooses one, which is settled, and the rest is
//! offered again, until it refuses what is left. Pure: the questions are the caller's.

/// What came of one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The server chose this number.
    Chose(u16),
    /// It takes nothing of what was offered.
    Refused,
    /// Nothing follows, now or from asking on.
    Unclear,
}

/// How far an elimination has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elimination<T> {
    /// What the server took.
    pub(super) accepted: Vec<T>,
    /// What it has not taken: still to be offered, or refused.
    pub(super) rest: Vec<T>,
    /// Everything is settled, so that the rest is refused.
    pub(super) is_over: bool,
}

impl<T: Copy> Elimination<T> {
    /// Before the first question.
    pub(super) fn of(items: &[T]) -> Self {
        Self {
            accepted: Vec::new(),
            rest: items.to_vec(),
            is_over: items.is_empty(),
        }
    }

    /// Takes the reply to an offer of these numbers, of which `shows` says whether the choice of
    /// one settles an item. Whether there is more to ask: each reply settles an item or is the
    /// last. A choice that was not offered says nothing.
    pub(super) fn take(
        &mut self,
        reply: Reply,
        offered: &[u16],
        shows: impl Fn(u16, T) -> bool,
    ) -> bool {
        match reply {
            Reply::Refused => self.is_over = true,
            Reply::Chose(number) if offered.contains(&number) => {
                let (settled, rest): (Vec<T>, Vec<T>) =
                    (self.rest.iter()).partition(|item| shows(number, **item));
                let goes_on = !settled.is_empty() && !rest.is_empty();
                self.is_over = rest.is_empty();
                self.accepted.extend(settled);
                self.rest = rest;
                return goes_on;
            }
            Reply::Chose(_) | Reply::Unclear => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is settled of 1 to 5, and in how many questions, of a server that answers so.
    fn asked(reply: impl Fn(&[u16]) -> Reply) -> (Elimination<u16>, u32) {
        let mut elimination = Elimination::of(&[1, 2, 3, 4, 5]);
        let mut questions = 1;
        loop {
            let offered = elimination.rest.clone();
            let same = |number, item| number == item;
            if !elimination.take(reply(&offered), &offered, same) {
                return (elimination, questions);
            }
            questions += 1;
        }
    }

    fn taking(taken: &[u16]) -> impl Fn(&[u16]) -> Reply {
        move |numbers| {
            let chosen = taken.iter().find(|one| numbers.contains(one));
            chosen.map_or(Reply::Refused, |one| Reply::Chose(*one))
        }
    }

    #[test]
    fn a_server_is_asked_once_more_than_it_takes() {
        let (settled, questions) = asked(taking(&[4, 2]));
        assert_eq!(settled.accepted, [4, 2]);
        assert_eq!((settled.rest, settled.is_over), (vec![1, 3, 5], true));
        assert_eq!(questions, 3);
        let (settled, questions) = asked(taking(&[]));
        assert!(settled.accepted.is_empty() && settled.is_over);
        assert_eq!(questions, 1);
    }

    #[test]
    fn a_server_that_takes_everything_need_not_refuse() {
        let (settled, questions) = asked(taking(&[1, 2, 3, 4, 5]));
        assert!(settled.rest.is_empty() && settled.is_over);
        assert_eq!(questions, 5);
    }

    #[test]
    fn what_was_learnt_before_the_server_went_quiet_stands() {
        let (settled, questions) = asked(|numbers| match numbers.len() {
            5 => Reply::Chose(3),
            _ => Reply::Unclear,
        });
        assert_eq!(settled.accepted, [3]);
        assert_eq!((settled.rest, settled.is_over), (vec![1, 2, 4, 5], false));
        assert_eq!(questions, 2);
    }

    #[test]
    fn a_choice_that_was_not_offered_ends_it() {
        let (settled, questions) = asked(|_| Reply::Chose(3));
        assert_eq!(
            (settled.accepted.as_slice(), settled.is_over),
            (&[3][..], false)
        );
        assert_eq!(questions, 2);
        assert!(asked(|_| Reply::Chose(9)).0.accepted.is_empty());
    }
}
