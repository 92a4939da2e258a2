//! A name server whose answers are the test's, and a program that asks it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

use crate::process::Site;

/// A name server at port 53 of an address of its own, for a `resolv.conf` names no port.
pub(crate) struct Names {
    address: SocketAddr,
}

impl Names {
    /// At 127.53.53.`last`. `records` has the IPv4 addresses of a name; `None` where no answer comes.
    pub(crate) fn start(
        last: u8,
        mut records: impl FnMut(&str) -> Option<Vec<Ipv4Addr>> + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind(((Ipv4Addr::new(127, 53, 53, last)), 53)).unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                if let Some(answer) = answer(&question[..length], &mut records) {
                    socket.send_to(&answer, from).ok();
                }
            }
        });
        Self { address }
    }

    /// What starts a program that asks this server, in a mount namespace of its own.
    pub(crate) fn launcher(&self, site: &Site) -> Vec<String> {
        let resolver = format!("nameserver {}\n", self.address.ip());
        let resolver = site.write("resolv.conf", &resolver);
        let bind = format!("mount --bind {resolver} /etc/resolv.conf && exec \"$@\"");
        let words = [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
        ];
        let words = words.into_iter().chain([&*bind, "names"]);
        words.map(str::to_owned).collect()
    }
}

/// RFC 1035 section 4: the question again, and for type A the records, which live no second.
fn answer(question: &[u8], records: impl FnOnce(&str) -> Option<Vec<Ipv4Addr>>) -> Option<Vec<u8>> {
    // Behind the header: labels up to an empty one, type and class.
    let length = question[12..].iter().position(|byte| *byte == 0)?;
    let end = 12 + length + 5;
    let name = labels(&question[12..12 + length]).join(".");
    let asks_ipv4 = question[end - 4..end - 2] == [0, 1];
    let found = records(&name)?;
    let found = if asks_ipv4 { found } else { Vec::new() };
    let count = u8::try_from(found.len()).unwrap();
    let mut answer = question[..end].to_vec();
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    for address in found {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

fn labels(mut text: &[u8]) -> Vec<String> {
    let mut labels = Vec::new();
    while let Some((&length, rest)) = text.split_first() {
        let (label, rest) = rest.split_at(length.into());
        labels.push(String::from_utf8(label.to_vec()).unwrap());
        text = rest;
    }
    labels
}
