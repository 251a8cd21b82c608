//! Notifies systemd of the state of the service, if systemd asks for it (`sd_notify(3)`).

use std::{env, ffi::OsStr, io, os::unix::net::UnixDatagram};

/// The states that systemd understands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// The fixture serves requests.
    Ready,
    /// The fixture no longer accepts requests.
    Stopping,
}

/// Sends the state to the socket in `NOTIFY_SOCKET`; does nothing if the variable is not set.
pub(crate) fn notify(state: State) -> io::Result<()> {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let message: &[u8] = match state {
        State::Ready => b"READY=1",
        State::Stopping => b"STOPPING=1",
    };
    let socket = UnixDatagram::unbound()?;
    match abstract_name(&name) {
        Some(name) => send_abstract(&socket, message, name)?,
        None => socket.send_to(message, name)?,
    };
    Ok(())
}

fn abstract_name(name: &OsStr) -> Option<&[u8]> {
    name.as_encoded_bytes().strip_prefix(b"@")
}

#[cfg(target_os = "linux")]
fn send_abstract(socket: &UnixDatagram, message: &[u8], name: &[u8]) -> io::Result<usize> {
    use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};

    socket.send_to_addr(message, &SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn send_abstract(_: &UnixDatagram, _: &[u8], _: &[u8]) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
