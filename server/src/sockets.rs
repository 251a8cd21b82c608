//! The addresses that the program listens on, or the sockets that systemd has opened for it
//! (`sd_listen_fds(3)`). systemd sets the mode and owner of its sockets; the
//! program has no permission to.

use std::{io, str::FromStr};

use listenfd::ListenFd;
use sendfile_fixture::{Address, ListenError, Socket};

/// A value of `--listen`.
#[derive(Clone, Debug)]
pub(crate) enum Listen {
    At(Address),
    Systemd,
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
        Ok(Self::At(text.parse()?))
    }
}

/// Takes the sockets that systemd has opened. Must be called before the program starts a thread,
/// because it changes the environment.
pub(crate) fn passed() -> io::Result<Vec<Socket>> {
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        sockets.push(take(&mut passed, index)?);
    }
    Ok(sockets)
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<Socket> {
    let taken = match passed.take_unix_listener(index) {
        Ok(unix) => unix.map(Socket::Unix),
        Err(_) => passed.take_tcp_listener(index)?.map(Socket::Tcp),
    };
    taken.ok_or(io::ErrorKind::NotFound.into())
}
