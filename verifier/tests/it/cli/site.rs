//! Storage, app and proxy in a few lines of HTTP, in this process: an answer for each path.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

pub(super) const HANDOFF: &str = "X-Accel-Redirect: /protected/a.bin";
pub(super) const FILE: &[u8] = &[b'x'; 4096];

/// Storage, app and proxy in one, all of them right.
pub(super) fn healthy(path: &str, stream: &mut TcpStream) {
    let of_file = ["Server: nginx", "ETag: \"1\"", "Content-Type: application/octet-stream"];
    match path {
        "/app" => respond(stream, "200 OK", &[HANDOFF], b""),
        "/storage" | "/direct" | "/full" => respond(stream, "200 OK", &of_file, FILE),
        _ => respond(stream, "404 Not Found", &["Server: nginx"], b"no such page"),
    }
}

/// Answers on a port of its own until the tests end; gives its origin.
pub(super) fn site(answer: fn(&str, &mut TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, answer));
        }
    });
    origin
}

fn serve(mut stream: TcpStream, answer: fn(&str, &mut TcpStream)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.split(' ').nth(1).expect("a request target");
    answer(target.split('?').next().unwrap_or(target), &mut stream);
}

pub(super) fn respond(stream: &mut TcpStream, status: &str, headers: &[&str], body: &[u8]) {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // Whoever hangs up early has seen enough.
    stream.write_all(&[head.as_bytes(), body].concat()).ok();
}

/// A beginning, and then a byte now and then, for ever.
pub(super) fn trickle(stream: &mut TcpStream, beginning: &[u8]) {
    let mut next = beginning;
    while stream.write_all(next).is_ok() {
        thread::sleep(Duration::from_millis(50));
        next = b"x";
    }
}
