//! Compares the view with a bare hyper server that sends the same headers: requests per second over
//! 64 connections, in alternating rounds, and the median ratio of neighbouring rounds.
//!
//! `cargo bench -p sendfile-fixture`. Uses wrk if it is installed, otherwise its own client. Hosts
//! differ and are noisy: only the ratio is meaningful, and the benchmark never fails because of it.

use std::{
    convert::Infallible,
    error::Error,
    io::{self, Write as _},
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body_util::Empty;
use hyper::{body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sendfile_fixture::{Address, Fixture};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    task::JoinSet,
};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_secs(2);
const PATH: &str = "/healthcheck-utils/download";

/// The headers of the view, written by hand.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        HeaderName::from_static("x-accel-redirect"),
        HeaderValue::from_static("/protected/healthcheck/dummy.bin"),
    ),
    (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
    (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"dummy.bin\"")),
    (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    (header::CONTENT_LENGTH, HeaderValue::from_static("0")),
];

fn main() -> Result<(), Box<dyn Error>> {
    let storage = tempfile::tempdir()?;
    let (fixtures, bares, clients) = (runtime()?, runtime()?, runtime()?);
    let fixture = Fixture::builder().storage_dir(storage.path()).start();
    let fixture = fixtures.block_on(fixture)?;
    let Address::Tcp(ours) = *fixture.address() else { return Err("not TCP".into()) };
    let listener = bares.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let bare = listener.local_addr()?;
    bares.spawn(serve_bare(listener));

    let (mut fixture_rates, mut bare_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (fixture, bare) = (rate(&clients, ours)?, rate(&clients, bare)?);
        fixture_rates.push(fixture);
        bare_rates.push(bare);
        ratios.push(fixture / bare);
    }
    let [fixture_rate, bare_rate, ratio] = [fixture_rates, bare_rates, ratios].map(median);
    writeln!(io::stdout(), "fixture {fixture_rate:.0}/s  bare {bare_rate:.0}/s  ratio {ratio:.3}")?;
    fixtures.block_on(fixture.stop())?;
    Ok(())
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

async fn serve_bare(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        // Only slower if this fails.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|_| async {
            let mut headers = HeaderMap::with_capacity(HEADERS.len());
            for (name, value) in HEADERS {
                headers.insert(name, value);
            }
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.headers_mut() = headers;
            Ok::<_, Infallible>(response)
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Returns requests per second.
fn rate(clients: &Runtime, address: SocketAddr) -> Result<f64, Box<dyn Error>> {
    let (connections, seconds) = (format!("-c{CONNECTIONS}"), format!("-d{}s", ROUND.as_secs()));
    let url = format!("http://{address}{PATH}");
    match Command::new("wrk").args(["-t1", &connections, &seconds, &url]).output() {
        Ok(output) => {
            let report = String::from_utf8(output.stdout)?;
            let line = report.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
            Ok(line.ok_or("wrk failed")?.trim().parse()?)
        }
        Err(_) => clients.block_on(measure_round(address)),
    }
}

async fn measure_round(address: SocketAddr) -> Result<f64, Box<dyn Error>> {
    let mut connections = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..CONNECTIONS {
        connections.spawn(send_until(address, begin + ROUND));
    }
    let mut responses = 0;
    while let Some(count) = connections.join_next().await {
        responses += count??;
    }
    Ok(f64::from(responses) / begin.elapsed().as_secs_f64())
}

async fn send_until(address: SocketAddr, end: Instant) -> io::Result<u32> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: bench\r\n\r\n");
    let (mut responses, mut buffer) = (0, [0; 1024]);
    while Instant::now() < end {
        stream.write_all(request.as_bytes()).await?;
        let mut read = 0;
        while !buffer[..read].ends_with(b"\r\n\r\n") {
            read += stream.read(&mut buffer[read..]).await?;
        }
        responses += 1;
    }
    Ok(responses)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
