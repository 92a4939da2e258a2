//! Cuts a stream of bytes into TLS records, and what they carry into handshake messages.
//!
//! Only what comes in clear: all of it before TLS 1.3, and up to the `ServerHello` in TLS 1.3.
//! Handshake messages may span records, and one record may hold several (RFC 8446 section 5.1).
//! Whatever a peer sends, no more is kept than a fixed number of bytes, and nothing is read past
//! for ever.

use bytes::{Buf, Bytes, BytesMut};

use super::ended::Ended;
use crate::model::clean;

/// RFC 5246 section 6.2.3: the most a record can hold, ciphered and all.
const RECORD_MAX_BYTES: usize = (1 << 14) + 2048;

/// Warnings and records without content that are read past; as many as Go's crypto/tls allows.
const IDLE_RECORDS_MAX: u32 = 16;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// A reader of records that is fed as bytes arrive.
#[derive(Debug)]
pub(super) struct Records {
    /// Received and not yet cut.
    raw: BytesMut,
    /// The contents of handshake records, joined.
    handshake: BytesMut,
    /// The most bytes that are taken in all, and the longest message.
    limit: usize,
    /// How many have been taken.
    received: usize,
    /// How many records meant nothing.
    idle: u32,
    /// One record was whole, so the peer speaks TLS.
    is_tls: bool,
}

impl Records {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            raw: BytesMut::new(),
            handshake: BytesMut::new(),
            limit,
            received: 0,
            idle: 0,
            is_tls: false,
        }
    }

    /// Takes what has arrived.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.received = self.received.saturating_add(bytes.len());
        if self.received > self.limit {
            return Err(Ended::TooLong(self.limit));
        }
        self.raw.extend_from_slice(bytes);
        Ok(())
    }

    /// The next handshake message as its type and body; `None` until more bytes are fed.
    pub(super) fn next_message(&mut self) -> Result<Option<(u8, Bytes)>, Ended> {
        loop {
            if let Some(message) = self.cut_message()? {
                return Ok(Some(message));
            }
            let Some((kind, content)) = self.cut_record()? else {
                return Ok(None);
            };
            match kind {
                HANDSHAKE if !content.is_empty() => self.handshake.extend_from_slice(&content),
                ALERT => self.read_alerts(&content)?,
                APPLICATION_DATA => {
                    return Err(Ended::Malformed("data before the handshake was over"));
                }
                // Empty, or a ChangeCipherSpec, which means nothing before keys are agreed on.
                _ => self.count_idle()?,
            }
        }
    }

    /// Type, version and length (RFC 8446 section 5.1), then the content.
    fn cut_record(&mut self) -> Result<Option<(u8, Bytes)>, Ended> {
        self.check_start()?;
        let Some(&[kind, _, _, high, low]) = self.raw.first_chunk() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > RECORD_MAX_BYTES {
            return Err(self.not_a_record());
        }
        if self.raw.len() < 5 + length {
            return Ok(None);
        }
        self.is_tls = true;
        self.raw.advance(5);
        Ok(Some((kind, self.raw.split_to(length).freeze())))
    }

    /// What is not TLS is told from its first byte or two, for nothing more may come.
    fn check_start(&self) -> Result<(), Ended> {
        let kind = self.raw.first().copied().unwrap_or(HANDSHAKE);
        let major = self.raw.get(1).copied().unwrap_or(3);
        if (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind) && major == 3 {
            Ok(())
        } else {
            Err(self.not_a_record())
        }
    }

    fn not_a_record(&self) -> Ended {
        if self.is_tls {
            return Ended::Malformed("bytes that are no TLS record");
        }
        // The first line shows which protocol it is, by 32 bytes of a status line or a banner.
        let line = self.raw.iter().copied().take(32);
        let line: Vec<u8> = line.take_while(|byte| !b"\r\n".contains(byte)).collect();
        Ended::NotTls(clean(&String::from_utf8_lossy(&line)).into())
    }

    /// One type byte and three of length (RFC 8446 section 4), then the body.
    fn cut_message(&mut self) -> Result<Option<(u8, Bytes)>, Ended> {
        let Some(&[kind, high, middle, low]) = self.handshake.first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        if length > self.limit {
            return Err(Ended::TooLong(self.limit));
        }
        if self.handshake.len() < 4 + length {
            return Ok(None);
        }
        self.handshake.advance(4);
        Ok(Some((kind, self.handshake.split_to(length).freeze())))
    }

    /// Pairs of level and description; before TLS 1.3 several may share a record (RFC 5246
    /// section 6.2.1). Level 1 is a warning and read past, but for `close_notify`.
    fn read_alerts(&mut self, content: &[u8]) -> Result<(), Ended> {
        let (pairs, rest) = content.as_chunks::<2>();
        if !rest.is_empty() || pairs.is_empty() {
            return Err(Ended::Malformed("an alert of the wrong length"));
        }
        for pair in pairs {
            match pair {
                [_, 0] => return Err(Ended::Closed),
                [1, _] => self.count_idle()?,
                [_, description] => return Err(Ended::Alert(*description)),
            }
        }
        Ok(())
    }

    fn count_idle(&mut self) -> Result<(), Ended> {
        self.idle += 1;
        if self.idle > IDLE_RECORDS_MAX {
            return Err(Ended::Malformed("warnings or empty records without end"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 16;

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[kind, 3, 1], &length[..], content].concat()
    }

    fn fed(bytes: &[u8]) -> Records {
        let mut records = Records::new(LIMIT);
        records.feed(bytes).unwrap();
        records
    }

    fn end(bytes: &[u8]) -> Ended {
        let mut records = fed(bytes);
        loop {
            match records.next_message() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it waits for more"),
                Err(ended) => return ended,
            }
        }
    }

    #[test]
    fn one_record_may_hold_several_messages() {
        let mut records = fed(&record(HANDSHAKE, &[14, 0, 0, 0, 11, 0, 0, 1, 7]));
        assert_eq!(
            records.next_message().unwrap(),
            Some((14, Bytes::from_static(&[])))
        );
        assert_eq!(
            records.next_message().unwrap(),
            Some((11, Bytes::from_static(&[7])))
        );
        assert_eq!(records.next_message().unwrap(), None);
    }

    #[test]
    fn a_message_may_span_records_and_arrive_byte_by_byte() {
        let bytes = [
            record(HANDSHAKE, &[11, 0]),
            record(HANDSHAKE, &[0, 2, 8, 9]),
        ]
        .concat();
        let mut records = Records::new(LIMIT);
        for (last, byte) in (1..).zip(&bytes) {
            assert_eq!(records.next_message().unwrap(), None, "before byte {last}");
            records.feed(&[*byte]).unwrap();
        }
        assert_eq!(
            records.next_message().unwrap(),
            Some((11, Bytes::from_static(&[8, 9])))
        );
    }

    #[test]
    fn warnings_are_read_past_and_a_fatal_alert_ends_it() {
        let bytes = [record(ALERT, &[1, 112]), record(ALERT, &[1, 90, 2, 40])].concat();
        assert!(matches!(end(&bytes), Ended::Alert(40)));
    }

    #[test]
    fn close_notify_means_closed_whatever_its_level() {
        assert!(matches!(end(&record(ALERT, &[1, 0])), Ended::Closed));
        assert!(matches!(end(&record(ALERT, &[2, 0])), Ended::Closed));
    }

    #[test]
    fn warnings_and_empty_records_are_not_read_for_ever() {
        for idle in [
            record(ALERT, &[1, 112]),
            record(HANDSHAKE, &[]),
            record(20, &[1]),
        ] {
            let allowed = idle.repeat(IDLE_RECORDS_MAX as usize);
            assert_eq!(fed(&allowed).next_message().unwrap(), None);
            let one_more = idle.repeat(IDLE_RECORDS_MAX as usize + 1);
            assert!(matches!(end(&one_more), Ended::Malformed(_)));
        }
    }

    #[test]
    fn another_protocol_is_told_from_its_first_bytes() {
        for bytes in [
            &b"H"[..],
            b"HTTP/1.1 400 Bad Request\r\n",
            b"SSH-2.0-x",
            &[22, 2],
        ] {
            assert!(matches!(end(bytes), Ended::NotTls(_)), "{bytes:?}");
        }
        let Ended::NotTls(start) = end(b"HTTP/1.1 400 Bad Request\r\nServer: x") else {
            panic!("HTTP is not TLS");
        };
        assert_eq!(&*start, "HTTP/1.1 400 Bad Request");
    }

    #[test]
    fn a_record_longer_than_any_may_be_is_refused_before_it_arrives() {
        let header = |length: usize| {
            let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
            [HANDSHAKE, 3, 3, high, low]
        };
        assert_eq!(fed(&header(RECORD_MAX_BYTES)).next_message().unwrap(), None);
        assert!(matches!(
            end(&header(RECORD_MAX_BYTES + 1)),
            Ended::NotTls(_)
        ));
    }

    #[test]
    fn garbage_after_a_record_breaks_the_rules_rather_than_being_another_protocol() {
        let bytes = [record(HANDSHAKE, &[14, 0, 0, 0]), b"HTTP".to_vec()].concat();
        assert!(matches!(end(&bytes), Ended::Malformed(_)));
        assert!(matches!(end(&record(23, b"x")), Ended::Malformed(_)));
        assert!(matches!(end(&record(ALERT, &[2])), Ended::Malformed(_)));
        assert!(matches!(end(&record(ALERT, &[])), Ended::Malformed(_)));
    }

    #[test]
    fn no_more_bytes_are_taken_than_the_limit() {
        let mut records = Records::new(10);
        records.feed(&record(HANDSHAKE, &[11, 0, 0, 9, 0])).unwrap();
        assert_eq!(records.next_message().unwrap(), None);
        assert!(matches!(records.feed(&[22]), Err(Ended::TooLong(10))));
    }

    #[test]
    fn a_message_that_announces_more_than_the_limit_is_not_waited_for() {
        let announce = |length: usize| {
            let [.., high, middle, low] = length.to_be_bytes();
            record(HANDSHAKE, &[11, high, middle, low])
        };
        assert_eq!(fed(&announce(LIMIT)).next_message().unwrap(), None);
        assert!(matches!(end(&announce(LIMIT + 1)), Ended::TooLong(LIMIT)));
    }
}
