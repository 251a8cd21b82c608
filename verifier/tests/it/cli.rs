//! Runs the program: its exit status, standard output and standard error.

use std::{collections::BTreeSet, process::Output, thread, time::Duration};

use assert_cmd::{Command, cargo::cargo_bin_cmd};
use clap::ValueEnum;
use insta::assert_snapshot;
use sendfile_check::report::Format;
use serde_json::Value;

use self::site::{FILE, HANDOFF, healthy, respond, site, trickle};

mod errors;
mod site;

/// A limit against hanging; every test takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// A text that must not occur in any output.
const SECRET: &str = "s3cr3t";

const HANDOFF_WITH_SECRET: &str = "X-Accel-Redirect: /s3/a.bin?X-Amz-Signature=s3cr3t";

/// The error of S3 for a wrong signature, which repeats all of its parts.
const STORE_ERROR: &[u8] =
    b"<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>s3cr3t</AWSAccessKeyId>\
    <StringToSign>s3cr3t</StringToSign><SignatureProvided>s3cr3t</SignatureProvided></Error>";

#[test]
fn help_fits_eighty_columns() {
    let commands = ["", "verify", "explain", "rules", "judge", "snippet", "demo"];
    for (command, flag) in commands.iter().flat_map(|it| [(it, "--help"), (it, "-h")]) {
        let words: Vec<_> = command.split_terminator(' ').chain([flag]).collect();
        let output = run(&words);
        assert!(output.status.success(), "{command} {flag}");
        let wide: Vec<_> = out(&output).lines().filter(|it| it.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{command} {flag}: {wide:#?}");
    }
}

#[test]
fn rules_are_listed_and_explained() {
    let listed = out(&run(&["rules"])).to_owned();
    let ids: Vec<_> = listed.lines().filter_map(|it| it.split(' ').next()).collect();
    assert_eq!(ids, sendfile_rules::rules().map(|it| it.id).collect::<Vec<_>>());
    assert_eq!(listed, out(&run(&["explain"])));
    assert_snapshot!(out(&run(&["explain", "handoff.root-for-alias"])), @"
    handoff.root-for-alias: `root` is used instead of `alias`, so the prefix stays
      in the path

    component: handoff
    severity: broken

    The internal location matches, but nginx looks for the file in the wrong
    directory. With `root`, nginx appends the URI, including the location's prefix,
    to the directory. With `alias`, the directory replaces the prefix. A store has
    the same problem if `proxy_pass` has no path: the prefix stays in the key.

    Remedy:
      nginx: Replace `root` with `alias /DIRECTORY/;`, with a trailing slash on both
        the location and the alias
      other proxies: Strip the prefix before looking up the file

    Example: `root` instead of `alias`
      nginx/healthcheck.conf
      - alias /srv/media/;
      + root /srv/media/;
      sendfile-check demo --proxy nginx --fault nginx-root-for-alias

    Example: `uri strip_prefix` is missing, so the prefix stays in the path
      caddy/healthcheck.caddy
      - 				uri strip_prefix /protected/
      sendfile-check demo --proxy caddy --fault caddy-prefix-stays
    ");
    let for_caddy = run(&["explain", "handoff.root-for-alias", "--proxy", "caddy"]);
    assert!(out(&for_caddy).contains("--fault caddy-prefix-stays"));
    assert!(!out(&for_caddy).contains("nginx/healthcheck.conf"));
}

#[test]
fn reports_have_the_width_of_the_output() {
    for (columns, widest) in [("20", 40), ("60", 60), ("200", 120)] {
        let output = Case::Inconclusive.run_in(&[("COLUMNS", columns)], &[]);
        let lines = out(&output).lines().map(|line| line.chars().count());
        let longest = lines.max().expect("a report");
        assert!(longest <= widest, "COLUMNS={columns}: {}", out(&output));
        assert!(longest > widest - 20, "COLUMNS={columns}: {}", out(&output));
    }
}

#[test]
fn snippet_contains_given_values() {
    let output = run(&["snippet", "nginx", "--map", "/files/"]);
    assert!(output.status.success());
    assert!(out(&output).contains("location ^~ /files/ {"));
    assert!(!out(&output).contains("/protected/"));
}

#[test]
fn text_reports() {
    assert_snapshot!(Case::Healthy.text(&[]), @"
    healthy download: clients receive the expected content (4096 bytes)

      ok    full     200, the file, 4096 bytes
      ok    storage  the file, 4096 bytes
      ok    app      200, X-Accel-Redirect: /protected/a.bin
      ok    direct   200, the file, 4096 bytes
      ok    checks   10 passed; skipped: refusal (no --private), names (no fixture),
                     spoofing (only with --thorough), tls, protocol (the site uses
                     http)
    ");
    assert_snapshot!(Case::Broken.text(&[]), @"
    broken download: the cause is the hand-off (handoff.feature-off)

      FAIL  full     200, an empty body
      ok    storage  the file, 4096 bytes
      ok    app      200, X-Accel-Redirect: /protected/a.bin
      ok    direct   200, the file, 4096 bytes
      skip  checks   skipped: the download failed

    handoff.feature-off (sure)
      The proxy ignores the hand-off header
      seen  The client gets an empty body and the header X-Accel-Redirect
      try   curl -sS -D - -o /dev/null http://SITE/full
      fix   Remove X-Accel-Redirect from `proxy_ignore_headers` (or
            `fastcgi_ignore_headers`, `uwsgi_ignore_headers`)
    ");
    assert_snapshot!(Case::Inconclusive.text(&[]), @"
    inconclusive download: there is no reference copy to compare with: no --storage
      was given

      ?     full     200, the file as received, 4096 bytes
      skip  storage  no --storage was given
      ok    app      200, X-Accel-Redirect: /protected/a.bin
      skip  direct   no --direct was given
      ok    checks   9 passed; skipped: refusal (no --private), names (no fixture),
                     freshness (no reference copy), spoofing (only with --thorough),
                     tls, protocol (the site uses http)
    ");
    assert_snapshot!(Case::Broken.text(&["-o", "short"]), @"
    broken download: the cause is the hand-off (handoff.feature-off)
      broken handoff.feature-off (sure): The client gets an empty body and the header X-Accel-Redirect
    ");
    assert_snapshot!(
        Case::Broken.text(&["-q"]),
        @"broken download: the cause is the hand-off (handoff.feature-off)"
    );
    assert_snapshot!(
        Case::Healthy.text(&["-q"]),
        @"healthy download: clients receive the expected content (4096 bytes)"
    );
}

#[test]
fn exit_status_is_the_same_in_every_format() {
    for (case, status) in [(Case::Healthy, 0), (Case::Broken, 1), (Case::Inconclusive, 3)] {
        for options in formats() {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let output = case.run(&options);
            assert_eq!(output.status.code(), Some(status), "{case:?} {options:?}");
            assert_eq!(err(&output), "", "{case:?} {options:?}");
        }
    }
}

/// The options of each output format.
fn formats() -> Vec<Vec<String>> {
    let mut formats = vec![vec!["-q".to_owned()], vec!["-v".to_owned()]];
    for format in Format::value_variants() {
        let value = format.to_possible_value().expect("a name");
        formats.push(vec!["-o".to_owned(), value.get_name().to_owned()]);
    }
    formats
}

#[test]
fn json_is_one_document_with_the_documented_keys() {
    for (case, verdict, culprit) in [
        (Case::Healthy, "healthy", Value::Null),
        (Case::Broken, "broken", "handoff".into()),
        (Case::Inconclusive, "inconclusive", Value::Null),
    ] {
        // It is never coloured, even with `--color always`.
        let output = case.run(&["-o", "json", "--color", "always"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        assert_eq!(keys(&report), "started targets tool version");
        assert_eq!(report["version"], 1);
        let target = &report["targets"][0];
        for key in
            ["name", "verdict", "culprit", "findings", "warnings", "layers", "probes", "checks"]
        {
            assert!(target.get(key).is_some(), "{case:?}: {key}");
        }
        assert_eq!((&target["verdict"], &target["culprit"]), (&verdict.into(), &culprit));
        assert_eq!(keys(&target["layers"]), "app direct full storage");
        for layer in target["layers"].as_object().expect("an object").values() {
            let result = layer["result"].as_str().expect("a result");
            assert!(["pass", "fail", "skipped", "unknown"].contains(&result), "{result}");
            let reason = matches!(result, "skipped" | "unknown");
            assert_eq!(layer.get("reason").is_some(), reason, "{case:?}: {layer}");
        }
        for check in target["checks"].as_array().expect("a list") {
            let result = check["result"].as_str().expect("a result");
            assert!(["pass", "fail", "skipped", "unknown"].contains(&result), "{check}");
            assert_eq!(check.get("reason").is_some(), result != "pass", "{case:?}: {check}");
        }
        for finding in target["findings"].as_array().expect("a list") {
            let documented = "confidence culprit evidence remedy rule severity summary";
            assert_eq!(keys(finding), documented);
        }
    }
}

#[test]
fn saved_report_gets_the_same_verdict() {
    for case in [Case::Healthy, Case::Broken, Case::Inconclusive] {
        let fresh = case.run(&["-o", "json"]);
        let mut judge = program(&["judge", "-", "-o", "json"]);
        let judged = judge.write_stdin(fresh.stdout.clone()).output().expect("the program runs");
        assert_eq!((judged.status, judged.stdout), (fresh.status, fresh.stdout), "{case:?}");
    }
}

#[test]
fn colours_are_used_on_terminals_or_on_request() {
    let coloured = |arguments: &[&str], environment: &[(&str, &str)]| {
        out(&Case::Broken.run_in(environment, arguments)).contains('\u{1b}')
    };
    assert!(!coloured(&[], &[]), "a pipe is not a terminal");
    assert!(coloured(&["--color", "always"], &[]));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]), "the flag takes precedence");
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(
        !coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]),
        "the flag takes precedence"
    );
}

#[test]
fn proxy_environment_variables_are_ignored() {
    let nowhere = [("http_proxy", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")];
    assert_eq!(Case::Healthy.run_in(&nowhere, &[]).status.code(), Some(0));
}

#[test]
fn output_contains_no_secrets() {
    let site = site(|path, stream| match path {
        "/app" => respond(stream, "200 OK", &[HANDOFF_WITH_SECRET, "Set-Cookie: id=s3cr3t"], b""),
        "/direct" | "/storage" => respond(stream, "200 OK", &[], FILE),
        "/full" => respond(stream, "403 Forbidden", &["Set-Cookie: id=s3cr3t"], STORE_ERROR),
        _ => respond(stream, "404 Not Found", &["Location: /login?token=s3cr3t"], b""),
    });
    for format in formats() {
        let output = program(&["verify", "--private", "--handoff", HANDOFF_WITH_SECRET])
            .args(["--app-header", "Cookie: id=s3cr3t", "--full-header", "Authorization: s3cr3t"])
            .arg(format!("--storage={site}/storage?X-Amz-Signature=s3cr3t"))
            .arg(format!("--app={site}/app?token=s3cr3t"))
            .arg(format!("--direct={site}/direct?sig=s3cr3t"))
            .arg(format!("--full={site}/full?X-Amz-Credential=s3cr3t"))
            .arg(format!("--refused={site}/other?token=s3cr3t"))
            .args(&format)
            .output()
            .expect("the program runs");
        assert_eq!(output.status.code(), Some(1), "{format:?}");
        let names_urls = !format.iter().any(|option| ["short", "-q"].contains(&option.as_str()));
        assert_eq!(out(&output).contains("REDACTED"), names_urls, "{format:?}: {}", out(&output));
        assert!(!out(&output).contains(SECRET), "{format:?}: {}", out(&output));
        assert!(!err(&output).contains(SECRET), "{format:?}: {}", err(&output));
    }
}

#[test]
fn silent_server_times_out() {
    let site = site(|_, _| thread::sleep(PATIENCE * 2));
    let output = verify(&site).args(["--timeout", "300ms"]).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(out(&output).contains("no response within 300ms"), "{}", out(&output));
}

#[test]
fn endless_slow_body_times_out() {
    let site = site(|path, stream| match path {
        "/full" => trickle(stream, b"HTTP/1.1 200 OK\r\n\r\n"),
        _ => healthy(path, stream),
    });
    let output = verify(&site)
        .args(["--timeout", "300ms", "-o", "short"])
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(out(&output).contains("the rest timed out"), "{}", out(&output));
}

#[test]
fn endless_slow_head_times_out() {
    let site = site(|_, stream| trickle(stream, b"HTTP/1.1 200 OK\r\nX-Endless: "));
    let output = verify(&site).args(["--timeout", "300ms"]).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
}

#[test]
fn handoff_is_read_from_the_response_head() {
    // Django and Flask send the Content-Length of the file, but no body.
    let site = site(|path, stream| match path {
        "/app" => {
            let head = format!("HTTP/1.1 200 OK\r\n{HANDOFF}\r\nContent-Length: 40000\r\n\r\n");
            stream.send(head.as_bytes());
            thread::sleep(PATIENCE * 2);
        }
        _ => healthy(path, stream),
    });
    // The default --timeout of ten seconds is longer than this test may take.
    let output = verify(&site).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
}

/// A set-up, named after its verdict.
#[derive(Clone, Copy, Debug)]
enum Case {
    Healthy,
    Broken,
    Inconclusive,
}

impl Case {
    fn run(self, arguments: &[&str]) -> Output {
        self.run_in(&[], arguments)
    }

    fn run_in(self, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut verify = self.verify(&self.site());
        let output = verify.args(arguments).envs(environment.iter().copied()).output();
        output.expect("the program runs")
    }

    /// The output, with a fixed name instead of the address, which differs in each run.
    fn text(self, arguments: &[&str]) -> String {
        let site = self.site();
        let output = self.verify(&site).args(arguments).output().expect("the program runs");
        out(&output).replace(&site, "http://SITE")
    }

    fn site(self) -> String {
        match self {
            Self::Healthy | Self::Inconclusive => site(healthy),
            Self::Broken => site(|path, stream| match path {
                "/full" => respond(stream, "200 OK", &[HANDOFF, "Server: nginx"], b""),
                _ => healthy(path, stream),
            }),
        }
    }

    fn verify(self, site: &str) -> Command {
        match self {
            Self::Healthy | Self::Broken => verify(site),
            Self::Inconclusive => {
                let app_and_full = [format!("--app={site}/app"), format!("--full={site}/full")];
                let mut program = program(&["verify"]);
                program.args(app_and_full);
                program
            }
        }
    }
}

/// The program, isolated from the terminal and the environment of the test run.
fn program(arguments: &[&str]) -> Command {
    let mut program = cargo_bin_cmd!("sendfile-check");
    program.env_clear().env("COLUMNS", "80").args(arguments).timeout(PATIENCE);
    program
}

/// `verify` with all four layers of a site.
fn verify(site: &str) -> Command {
    let mut program = program(&["verify"]);
    program.args(["storage", "app", "direct", "full"].map(|it| format!("--{it}={site}/{it}")));
    program
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("the program runs")
}

fn out(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("text")
}

fn err(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("text")
}

fn keys(value: &Value) -> String {
    let keys: BTreeSet<_> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.into_iter().collect::<Vec<_>>().join(" ")
}
