//! Where the program is to listen: at addresses, or on the sockets that systemd has opened for it
//! (`sd_listen_fds(3)`), with a mode and an owner that the program could not give them.

use std::{io, str::FromStr};

use listenfd::ListenFd;
use sendfile_fixture::{Address, ListenError, Socket};

/// What `--listen` takes.
#[derive(Clone, Debug)]
pub(crate) enum Listen {
    At(Address),
    Systemd,
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "systemd" => Ok(Self::Systemd),
            address => address.parse().map(Self::At),
        }
    }
}

/// Takes the sockets that systemd has opened. It is for the first thread alone: they are taken out
/// of the environment.
pub(crate) fn passed() -> io::Result<Vec<Socket>> {
    let mut passed = ListenFd::from_env();
    (0..passed.len()).map(|at| socket(&mut passed, at)).collect()
}

fn socket(passed: &mut ListenFd, at: usize) -> io::Result<Socket> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    match passed.take_unix_listener(at) {
        Ok(unix) => unix.map(Socket::Unix).ok_or_else(gone),
        Err(_) => passed.take_tcp_listener(at)?.map(Socket::Tcp).ok_or_else(gone),
    }
}
