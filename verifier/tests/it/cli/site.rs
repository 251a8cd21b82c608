//! Storage, app and proxy as a minimal HTTP server in this process, with range requests.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

pub(super) const HANDOFF: &str = "X-Accel-Redirect: /protected/a.bin";
pub(super) const FILE: &[u8] = &[b'x'; 4096];

/// A client: the head of its request, and the stream for the response.
pub(super) struct Client {
    head: String,
    stream: TcpStream,
}

/// A healthy storage, app and proxy in one server.
pub(super) fn healthy(path: &str, stream: &mut Client) {
    let of_file = ["Server: nginx", "ETag: \"1\"", "Content-Type: application/octet-stream"];
    match path {
        "/app" => respond(stream, "200 OK", &[HANDOFF], b""),
        "/storage" | "/direct" | "/full" => respond(stream, "200 OK", &of_file, FILE),
        _ => respond(stream, "404 Not Found", &["Server: nginx"], b"no such page"),
    }
}

/// Starts a server that runs until the tests end; returns its origin.
pub(super) fn site(answer: fn(&str, &mut Client)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, answer));
        }
    });
    origin
}

fn serve(mut stream: TcpStream, answer: fn(&str, &mut Client)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let target = head.split(' ').nth(1).expect("a request target").to_owned();
    let mut client = Client { head, stream };
    answer(target.split('?').next().unwrap_or(&target), &mut client);
}

impl Client {
    /// Sends bytes unchanged. Clients may close the connection early.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(it, _)| *it == name).map(|(_, value)| value)
    }

    /// The first and last byte position of a single range, if it is within the body.
    fn part(&self, size: usize) -> Option<(usize, usize)> {
        let range = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let (first, last) = (range.0.parse().ok()?, range.1.parse().ok()?);
        (first <= last && last < size).then_some((first, last))
    }
}

/// Supports HEAD, range requests and conditional requests like a static file server.
pub(super) fn respond(client: &mut Client, status: &str, headers: &[&str], body: &[u8]) {
    let mut headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let etag = client.header("if-none-match").map(|it| format!("ETag: {it}"));
    let known = etag.is_some_and(|it| headers.lines().any(|line| line == it));
    let (status, body) = match (status, client.part(body.len())) {
        ("200 OK", _) if known => ("304 Not Modified", &body[..0]),
        ("200 OK", Some((first, last))) => {
            headers += &format!("Content-Range: bytes {first}-{last}/{}\r\n", body.len());
            ("206 Partial Content", &body[first..=last])
        }
        _ => (status, body),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let body = if client.head.starts_with("head ") { &[][..] } else { body };
    client.send(&[head.as_bytes(), body].concat());
}

/// Sends a beginning, and then single bytes with pauses, forever.
pub(super) fn trickle(client: &mut Client, beginning: &[u8]) {
    let mut next = beginning;
    while client.stream.write_all(next).is_ok() {
        thread::sleep(Duration::from_millis(50));
        next = b"x";
    }
}
