//! systemd: the sockets that it hands over (`sd_listen_fds(3)`), and what it is told
//! (`sd_notify(3)`).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use listenfd::ListenFd;
use tokio::net::TcpListener;

/// Every TCP socket that systemd listens on for this process; none is an error.
pub(super) fn sockets() -> io::Result<Vec<TcpListener>> {
    let mut handed = ListenFd::from_env();
    let mut listeners = Vec::with_capacity(handed.len());
    for number in 0..handed.len() {
        let Some(listener) = handed.take_tcp_listener(number)? else {
            continue;
        };
        listener.set_nonblocking(true)?;
        listeners.push(TcpListener::from_std(listener)?);
    }
    if listeners.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "systemd handed none over; start it by a .socket unit, or leave out --web.systemd-socket",
        ));
    }
    Ok(listeners)
}

/// Tells systemd, at the address in `NOTIFY_SOCKET`, that scrapes are answered.
pub(super) fn ready(socket: &OsStr) -> io::Result<()> {
    let bytes = socket.as_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_told_at_a_path_and_at_an_abstract_name() {
        let name = format!("kube-https-exporter-notify-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let received = |socket: UnixDatagram| {
            let mut text = [0; 16];
            let length = socket.recv(&mut text).unwrap();
            text[..length].to_vec()
        };

        let socket = UnixDatagram::bind(&path).unwrap();
        ready(path.as_os_str()).unwrap();
        assert_eq!(received(socket), b"READY=1");
        std::fs::remove_file(&path).unwrap();
        assert!(ready(path.as_os_str()).is_err());

        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        ready(OsStr::new(&format!("@{name}"))).unwrap();
        assert_eq!(received(socket), b"READY=1");
    }
}
