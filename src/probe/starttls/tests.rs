//! Dialogues as the standards and real servers have them, whole, cut, refused and garbled.

use std::time::Duration;

use tokio::io::duplex;

use super::*;

/// What a server says at each of its turns, and what it has to hear before each of the later ones.
struct Transcript {
    protocol: StartTls,
    server: &'static [&'static [u8]],
    client: &'static [&'static [u8]],
}

const STREAM_HEAD: &[u8] = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='a.example' version='1.0'>";

/// A greeting of `MariaDB` 10.11, with TLS.
const MARIADB: &[u8] = b"\x59\0\0\0\x0a5.5.5-10.11.6-MariaDB\0\x08\0\0\0abcdefgh\0\xfe\xff\x2d\
    \x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0ijklmnopqrst\0mysql_native_password\0";

const TRANSCRIPTS: &[Transcript] = &[
    Transcript {
        protocol: StartTls::Smtp,
        server: &[
            b"220-mail.example ESMTP\r\n220-No unsolicited mail\r\n220 Welcome\r\n",
            b"250-mail.example\r\n250-SIZE 10240000\r\n250-starttls\r\n250 DSN\r\n",
            b"220 2.0.0 Ready to start TLS\r\n",
        ],
        client: &[b"EHLO kube-https-exporter.invalid\r\n", b"STARTTLS\r\n"],
    },
    // The only keyword, and bare line feeds.
    Transcript {
        protocol: StartTls::Smtp,
        server: &[b"220\n", b"250-a\n250 STARTTLS\n", b"220 go\n"],
        client: &[b"EHLO kube-https-exporter.invalid\r\n", b"STARTTLS\r\n"],
    },
    Transcript {
        protocol: StartTls::Imap,
        server: &[
            b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] Dovecot ready.\r\n",
            b"* CAPABILITY IMAP4rev1 STARTTLS\r\na OK Begin TLS negotiation now.\r\n",
        ],
        client: &[b"a STARTTLS\r\n"],
    },
    Transcript {
        protocol: StartTls::Pop3,
        server: &[b"+OK POP3 ready <1@a.example>\r\n", b"+ok begin\r\n"],
        client: &[b"STLS\r\n"],
    },
    Transcript {
        protocol: StartTls::Ftp,
        server: &[
            b"120 Wait.\r\n220-Welcome\r\n 220 within\r\n2200 files\r\n220 Ready\r\n",
            b"234 AUTH TLS successful\r\n",
        ],
        client: &[b"AUTH TLS\r\n"],
    },
    // OpenLDAP, then Active Directory with its long lengths and the operation's name.
    Transcript {
        protocol: StartTls::Ldap,
        server: &[b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0"],
        client: &[ldap::REQUEST],
    },
    Transcript {
        protocol: StartTls::Ldap,
        server: &[
            b"\x30\x84\0\0\0\x28\x02\x01\x01\x78\x84\0\0\0\x1f\x0a\x01\0\x04\0\x04\0\
            \x8a\x161.3.6.1.4.1.1466.20037",
        ],
        client: &[ldap::REQUEST],
    },
    Transcript {
        protocol: StartTls::Xmpp,
        server: &[
            b"<?xml version='1.0'?><stream:stream id='a>b/' from='a.example' version='1.0' \
              xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>\
              <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/>\
              </starttls></stream:features>",
            b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        ],
        client: &[STREAM_HEAD, xmpp::REQUEST],
    },
    Transcript {
        protocol: StartTls::Xmpp,
        server: &[
            b"<s:stream version=\"1.0\"><s:features><starttls/></s:features>",
            b" <proceed></proceed>",
        ],
        client: &[STREAM_HEAD, xmpp::REQUEST],
    },
    Transcript {
        protocol: StartTls::Postgres,
        server: &[b"S"],
        client: &[b"\0\0\0\x08\x04\xd2\x16\x2f"],
    },
    Transcript {
        protocol: StartTls::MySql,
        server: &[MARIADB],
        client: &[database::MYSQL_REQUEST],
    },
];

/// How a dialogue goes with a server that says this, `pieces` bytes at a time: what came of it,
/// `None` where it still waits, and what was sent.
fn talk(
    protocol: StartTls,
    server: &[impl AsRef<[u8]>],
    pieces: usize,
) -> (Option<Result<(), Stopped>>, Vec<Vec<u8>>) {
    let mut pieces = server.iter().flat_map(|turn| turn.as_ref().chunks(pieces));
    let mut dialogue = Dialogue::new(protocol, Some("a.example"));
    let mut sent = Vec::new();
    loop {
        match dialogue.next() {
            Ok(Next::Send(bytes)) => sent.push(bytes.into_owned()),
            Ok(Next::Handshake) => return (Some(Ok(())), sent),
            Ok(Next::Receive) => {
                let Some(piece) = pieces.next() else {
                    return (None, sent);
                };
                if let Err(stopped) = dialogue.take(piece) {
                    return (Some(Err(stopped)), sent);
                }
            }
            Err(stopped) => return (Some(Err(stopped)), sent),
        }
    }
}

fn stopped(protocol: StartTls, server: &[&[u8]]) -> String {
    match talk(protocol, server, usize::MAX).0 {
        Some(Err(stopped)) => stopped.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_protocol_turns_to_tls_however_its_replies_are_cut() {
    for protocol in StartTls::ALL {
        assert!(TRANSCRIPTS.iter().any(|t| t.protocol == protocol));
    }
    for Transcript {
        protocol,
        server,
        client,
    } in TRANSCRIPTS
    {
        for pieces in 1..200 {
            let (end, sent) = talk(*protocol, server, pieces);
            assert_eq!(end, Some(Ok(())), "{protocol:?} in pieces of {pieces}");
            assert_eq!(sent, *client, "{protocol:?} in pieces of {pieces}");
        }
    }
}

#[test]
fn every_beginning_of_a_dialogue_waits_for_more() {
    for Transcript {
        protocol, server, ..
    } in TRANSCRIPTS
    {
        for (turn, reply) in server.iter().enumerate() {
            for end in 0..reply.len() {
                let mut said = server[..turn].to_vec();
                said.push(&reply[..end]);
                let (end, _) = talk(*protocol, &said, usize::MAX);
                assert_eq!(end, None, "{protocol:?}: {said:?}");
            }
        }
    }
}

#[test]
fn what_comes_in_clear_after_the_consent_is_not_taken_for_tls() {
    for Transcript {
        protocol, server, ..
    } in TRANSCRIPTS
    {
        let mut said: Vec<Vec<u8>> = server.iter().map(|turn| turn.to_vec()).collect();
        said.last_mut().unwrap().extend(b"\x16\x03\x03");
        let (end, _) = talk(*protocol, &said, usize::MAX);
        assert_eq!(end, Some(Err(Stopped::Injected(3))), "{protocol:?}");
    }
    assert_eq!(Stopped::Injected(3).reason(), Reason::Protocol);
}

#[test]
fn who_declines_tls_is_quoted() {
    let offered: &[u8] = b"250-a\r\n250 STARTTLS\r\n";
    let features: &[u8] = b"<stream><features><starttls/></features>";
    let table: [(StartTls, &[&[u8]], &str); 9] = [
        (
            StartTls::Smtp,
            &[b"220 a\r\n", offered, b"454 4.7.0 TLS not available\r\n"],
            "454 4.7.0 TLS not available",
        ),
        (
            StartTls::Smtp,
            &[b"220 a\r\n", b"502 what?\r\n"],
            "502 what?",
        ),
        (
            StartTls::Imap,
            &[b"* OK a\r\n", b"a BAD no \x1b[31mTLS\r\n"],
            "a BAD no [31mTLS",
        ),
        (StartTls::Imap, &[b"* PREAUTH a\r\n"], "* PREAUTH a"),
        (StartTls::Pop3, &[b"+OK\r\n", b"-ERR no\r\n"], "-ERR no"),
        (
            StartTls::Ftp,
            &[b"220 a\r\n", b"530 Please login.\r\n"],
            "530 Please login.",
        ),
        (
            StartTls::Ldap,
            &[b"\x30\x11\x02\x01\x01\x78\x0c\x0a\x01\x02\x04\0\x04\x05no \"T"],
            "result 2 no \\\"T",
        ),
        (
            StartTls::Xmpp,
            &[features, b"<failure xmlns='x'/>"],
            "<failure xmlns='x'/>",
        ),
        (StartTls::Postgres, &[b"N"], "N"),
    ];
    for (protocol, server, words) in table {
        let expected = format!("the server refuses to start TLS: \"{words}\"");
        assert_eq!(stopped(protocol, server), expected);
    }
    assert_eq!(Stopped::Refused("no".into()).reason(), Reason::NotTls);
}

#[test]
fn who_does_not_offer_tls_is_not_asked_for_it() {
    let without = {
        let mut greeting = MARIADB.to_vec();
        let capabilities = greeting
            .windows(2)
            .position(|two| two == b"\xfe\xff")
            .unwrap();
        greeting[capabilities + 1] &= !8;
        greeting
    };
    let table: [(StartTls, &[&[u8]], usize); 4] = [
        (
            StartTls::Smtp,
            &[
                b"220 a\r\n",
                b"250-STARTTLS\r\n250-NOSTARTTLS\r\n250 SIZE\r\n",
            ],
            1,
        ),
        (
            StartTls::Xmpp,
            &[b"<stream><features><mechanisms/></features>"],
            1,
        ),
        (StartTls::Xmpp, &[b"<stream><features/>"], 1),
        (StartTls::MySql, &[&without], 0),
    ];
    for (protocol, server, said) in table {
        let (end, sent) = talk(protocol, server, usize::MAX);
        assert_eq!(end, Some(Err(Stopped::NotOffered)), "{protocol:?}");
        assert_eq!(sent.len(), said, "{protocol:?}");
    }
    assert_eq!(Stopped::NotOffered.reason(), Reason::NotTls);
}

#[test]
fn who_serves_nobody_is_told_from_who_declines_tls() {
    let table: [(StartTls, &[&[u8]], &str); 10] = [
        (StartTls::Smtp, &[b"554 go away\r\n"], "554 go away"),
        (
            StartTls::Smtp,
            &[b"220 a\r\n", b"421 too busy\r\n"],
            "421 too busy",
        ),
        (StartTls::Imap, &[b"* BYE too many\r\n"], "* BYE too many"),
        (
            StartTls::Imap,
            &[b"* OK\r\n", b"* BYE idle\r\n"],
            "* BYE idle",
        ),
        (StartTls::Pop3, &[b"-ERR busy\r\n"], "-ERR busy"),
        (StartTls::Ftp, &[b"120 wait\r\n421 full\r\n"], "421 full"),
        (
            StartTls::Ldap,
            &[b"\x30\x0e\x02\x01\0\x78\x09\x0a\x01\x34\x04\0\x04\x02by"],
            "by",
        ),
        (
            StartTls::Xmpp,
            &[b"<stream:stream><stream:error><host-unknown/>"],
            "host-unknown",
        ),
        (StartTls::Postgres, &[b"E\0\0\0\x0aMfull\0\0"], "EMfull"),
        (
            StartTls::MySql,
            &[b"\x0b\0\0\0\xff\x69\x04 blocked"],
            " blocked",
        ),
    ];
    for (protocol, server, words) in table {
        let expected = format!("the server turned us away: \"{words}\"");
        assert_eq!(stopped(protocol, server), expected);
    }
    assert_eq!(Stopped::TurnedAway("no".into()).reason(), Reason::Protocol);
}

#[test]
fn another_protocol_is_noticed_by_its_first_bytes() {
    for protocol in StartTls::ALL {
        for other in [
            &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\x15\x03\x01\0\x02",
        ] {
            let (end, _) = talk(protocol, &[other], usize::MAX);
            // Of MySQL, the first bytes are a length, and of PostgreSQL the first byte is all.
            let is_alike = protocol == StartTls::Postgres && other.starts_with(b"S");
            assert!(
                is_alike || matches!(end, Some(Err(Stopped::Else(_)))),
                "{protocol:?}: {end:?}"
            );
        }
    }
    assert_eq!(Stopped::Else("SSH".into()).reason(), Reason::NotTls);
}

/// Numbers as good as random for choosing what to break (Knuth's constants).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = (self.0.wrapping_mul(6_364_136_223_846_793_005))
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// Bytes exchanged, lost, repeated, inserted.
fn garble(said: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(said.len() + 1);
        let byte = dice.roll(256).try_into().unwrap();
        match dice.roll(4) {
            0 => said.insert(at, byte),
            1 => said.truncate(at),
            2 => said.extend_from_within(at..),
            _ => {
                if let Some(slot) = said.get_mut(at) {
                    *slot = byte;
                }
            }
        }
    }
}

#[test]
fn garbled_dialogues_end_or_wait() {
    let mut dice = Dice(2_011);
    let mut ends = [0; 3];
    for round in 0..20_000 {
        let Transcript {
            protocol,
            server,
            client,
        } = &TRANSCRIPTS[round % TRANSCRIPTS.len()];
        let mut said: Vec<Vec<u8>> = server.iter().map(|turn| turn.to_vec()).collect();
        let turn = dice.roll(said.len());
        garble(&mut said[turn], &mut dice);
        let (end, sent) = talk(*protocol, &said, 1 + dice.roll(64));
        assert!(client.starts_with(&sent.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        let kind = match end {
            None => 0,
            Some(Ok(())) => 1,
            Some(Err(_)) => 2,
        };
        ends[kind] += 1;
    }
    assert!(ends.iter().all(|count| *count > 100), "{ends:?}");
}

#[tokio::test]
async fn a_failure_names_the_protocol_and_what_was_said() {
    let (mut near, mut far) = duplex(1 << 10);
    far.write_all(b"+OK\r\n-ERR no TLS here\r\n").await.unwrap();
    let failed = start_tls(&mut near, StartTls::Pop3, None)
        .await
        .unwrap_err();
    assert_eq!(failed.reason, Reason::NotTls);
    assert_eq!(
        &*failed.detail,
        "pop3: the server refuses to start TLS: \"-ERR no TLS here\""
    );
}

#[tokio::test]
async fn a_server_that_hangs_up_has_closed() {
    let (mut near, far) = duplex(1 << 10);
    drop(far);
    let failed = start_tls(&mut near, StartTls::Imap, None)
        .await
        .unwrap_err();
    assert_eq!(failed.reason, Reason::Closed);
}

#[tokio::test]
async fn an_endless_banner_is_cut_off() {
    let (mut near, mut far) = duplex(1 << 10);
    let babble = async { while far.write_all(b"220-and another thing\r\n").await.is_ok() {} };
    tokio::select! {
        end = start_tls(&mut near, StartTls::Smtp, None) => {
            let failed = end.unwrap_err();
            assert_eq!(failed.reason, Reason::Protocol);
            assert!(failed.detail.contains("more than 16384 bytes"), "{}", failed.detail);
        }
        () = babble => panic!("the connection is still open"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_waits_for_us_is_waited_for_until_the_deadline() {
    let (mut near, _far) = duplex(1 << 10);
    let talk = start_tls(&mut near, StartTls::Smtp, None);
    let limit = Duration::from_secs(3);
    assert!(tokio::time::timeout(limit, talk).await.is_err());
}
