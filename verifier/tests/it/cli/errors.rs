//! Usage errors: each names the input and the reason, gives a hint, and exits at once with status 2.

use std::{fs, time::Duration};

use insta::assert_snapshot;

use super::{SECRET, err, out, program, run};

/// A usage error sends no request, so it must not wait.
const AT_ONCE: Duration = Duration::from_secs(1);

#[test]
fn usage_errors() {
    assert_snapshot!(error("verify --no-such-flag"), @r#"
        error: unexpected argument '--no-such-flag' found

        Usage: sendfile-check verify [OPTIONS]

        For more information, try '--help'.
    "#);
    assert_snapshot!(error("verify"), @r#"
        error: there is nothing to check
        hint: give --fixture and --site, or --full, or --config FILE
    "#);
    assert_snapshot!(error("verify --fixture http://127.0.0.1:8000"), @r#"
        error: the following required arguments were not provided:
          --site <URL>

        Usage: sendfile-check verify --fixture <URL> --site <URL>

        For more information, try '--help'.
    "#);
    assert_snapshot!(error("verify --full example.org/x"), @r#"
    error: `example.org/x` is no URL that can be asked: it has no scheme
    hint: begin it with `http://` or `https://`
    "#);
    // Without arguments the program prints its help.
    let output = run(&[]);
    assert_eq!((output.status.code(), out(&output)), (Some(2), ""));
    assert!(err(&output).contains("Usage: sendfile-check [OPTIONS] <COMMAND>"));
}

#[test]
fn errors_about_values() {
    assert_snapshot!(error("verify --full http://h/ --storage ftp://h/x"), @r#"
        error: the storage `ftp://h/x` cannot be read: the scheme `ftp` is not known
        hint: give `file:///PATH`, `s3://BUCKET/KEY`, `az://CONTAINER/KEY`, `gs://BUCKET/KEY` or `https://…`
    "#);
    assert_snapshot!(error("verify --full http://h/ --storage s3://bucket/x"), @r#"
        error: the storage `s3://bucket/x` cannot be read: there are no credentials for it
        hint: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --storage-metadata, which asks this machine's metadata service
    "#);
    let options = "--storage-option acces_key_id=hush --storage-option endpoint=127.0.0.1:9000";
    let said = error(&format!("verify --full http://h/ --storage s3://bucket/x {options}"));
    assert_snapshot!(said, @r#"
        error: the storage `s3://bucket/x` cannot be read: it has no option `acces_key_id`
        hint: did you mean `access_key_id`?
    "#);
    assert_snapshot!(error("verify --full http://h/ --storage file://media/x"), @r#"
        error: the storage `file://media/x` cannot be read: the path is not absolute
        hint: write three slashes: `file:///srv/media`
    "#);
    assert_snapshot!(error("verify --full http://h/ --storage /srv/media/x"), @r#"
        error: the storage `/srv/media/x` cannot be read: it has no scheme
        hint: write `file:///PATH` for a path on this machine
    "#);
    assert_snapshot!(error("verify --full http://h/ --handoff X-Accel=Redirect"), @r#"
        error: `X-Accel=Redirect: …` is no header line: invalid HTTP header name
        hint: write it as `Name: value`
    "#);
    assert_snapshot!(error("verify --full http://h/ --timeout 5"), @r#"
        error: invalid value '5' for '--timeout <TIME>': time unit needed, for example 5sec or 5ms; write it as `500ms`, `10s` or `2m`

        For more information, try '--help'.
    "#);
    assert_snapshot!(error("snippet nginx --map files"), @r#"
        error: the value `files` of --map cannot stand in a snippet: it is no prefix
        hint: begin and end it with a slash, as in `/protected/`
    "#);
}

#[test]
fn errors_about_snippets_for_a_private_bucket() {
    assert_snapshot!(error("snippet nginx --storage https://s3.test/bucket"), @r#"
        error: the value `https://s3.test/bucket` of --storage cannot stand in a snippet: it is no folder
        hint: for links to a store, say `--remote signed` too
    "#);
    assert_snapshot!(error("snippet nginx --remote signed --storage s3://bucket/media"), @r#"
        error: the value `s3://bucket/media` of --storage cannot stand in a snippet: it is no URL that links can begin with
        hint: write what the app's links begin with, as in `https://s3.example.com/bucket/media`
    "#);
    assert_snapshot!(error("snippet nginx --remote signed --storage https://$host/bucket"), @r#"
        error: the value `https://$host/bucket` of --storage cannot stand in a snippet: its host is none that a snippet can have
        hint: write what the app's links begin with, as in `https://s3.example.com/bucket/media`
    "#);
    assert_snapshot!(error("snippet nginx --remote signed --remote-header X-Link"), @r#"
        error: the value `X-Link` of --remote-header cannot stand in a snippet: that one has no such header
        hint: say `--remote signed-header`
    "#);
    assert_snapshot!(error("snippet caddy --remote signed-header"), @r#"
        error: the value `signed-header` of --remote cannot stand in a snippet: no snippet for caddy is shipped
        hint: only nginx has one, and `--remote signed` works with Caddy too
    "#);
    assert_snapshot!(error("snippet apache --remote signed"), @r#"
        error: the value `signed` of --remote cannot stand in a snippet: no snippet for apache is shipped
        hint: X-Sendfile names a file on the proxy's machine, and no store
    "#);
}

#[test]
fn configuration_errors() {
    assert_snapshot!(
        error("verify -c no-such.toml"),
        @"error: cannot read the configuration `no-such.toml`: No such file or directory (os error 2)"
    );
    assert_snapshot!(error_with("verify -c it", "targets = 1"), @"error: `it` is no configuration: line 1: invalid type: integer `1`, expected a map");
    assert_snapshot!(error_with("verify -c it", ""), @r#"
        error: `it` is no configuration: it names no target
        hint: begin one with `[targets.NAME]`
    "#);
    assert_snapshot!(
        error_with("verify -c it", "[targets.a]\nfull = 'http://h/'\nstorge = 'file:///x'"),
        @r#"
        error: `it` is no configuration: line 3: unknown field `storge`, expected one of `fixture`, `site`, `storage`, `storage-options`, `storage-metadata`, `app`, `direct`, `full`, `inner`, `unix-socket`, `handoff`, `app-headers`, `full-headers`, `full-method`, `expect-headers`, `private`, `cert-days`, `refused`, `proxy-config`, `error-log`
        hint: did you mean `storage`?
        "#
    );
    assert_snapshot!(error_with("verify -c it -t b", "[targets.a]\nfull = 'http://h/'"), @r#"
        error: target `b`: it is not in `it`, which has a
        hint: see the names behind `targets.`
    "#);
    assert_snapshot!(error_with("verify -c it", "[targets.a]\nfixture = 'http://h/'"), @r#"
        error: target `a`: it is neither of the two forms
        hint: give `fixture` and `site`, or `full` and the other layers
    "#);
}

#[test]
fn errors_about_rules() {
    assert_snapshot!(error("explain handoff.root-for-alais"), @r#"
        error: there is no rule `handoff.root-for-alais`; did you mean `handoff.root-for-alias`?
        hint: `sendfile-check rules` lists them
    "#);
    assert_snapshot!(error("verify --full http://h/ --only storage.file-mising"), @r#"
        error: there is no rule `storage.file-mising`; did you mean `storage.file-missing`?
        hint: `sendfile-check rules` lists them
    "#);
    assert_snapshot!(error("verify --full http://h/ --skip nonsense"), @r#"
        error: there is no rule `nonsense`
        hint: `sendfile-check rules` lists them
    "#);
}

#[test]
fn errors_about_reports() {
    assert_snapshot!(
        error("judge no-such.json"),
        @"error: cannot read the report `no-such.json`: No such file or directory (os error 2)"
    );
    assert_snapshot!(
        error_with("judge it", "[targets.a]"),
        @"error: cannot judge `it`: it is no report of `sendfile-check verify -o json`: expected ident at line 1 column 3"
    );
    assert_snapshot!(
        error_with("judge it", r#"{"version": 2, "targets": []}"#),
        @"error: cannot judge `it`: its version is 2, and this program reads version 1"
    );
    assert_snapshot!(
        error_with("judge it", r#"{"version": 1, "tool": "", "started": "", "targets": [{}]}"#),
        @"error: cannot judge `it`: it is no report of `sendfile-check verify -o json`: missing field `name` at line 1 column 56"
    );
}

#[test]
fn errors_contain_no_secrets() {
    let file = |line: &str| format!("[targets.a]\n{line}");
    for (arguments, text) in [
        ("verify --full http://h/ --storage http://me:s3cr3t@h/x", String::new()),
        ("verify --fixture http://me:s3cr3t@h/ --site http://h/", String::new()),
        ("verify --full http://h/ --app-header Cook(ie:s3cr3t", String::new()),
        ("verify --full http://h/ --handoff X/Accel:/a?sig=s3cr3t", String::new()),
        ("verify --full http://me:s3cr3t@h/x", String::new()),
        ("verify --full http://h[/?X-Amz-Signature=s3cr3t", String::new()),
        ("verify --full http://h/ --app-header s3cr3t", String::new()),
        ("verify --full http://h/ --storage ftp://me:s3cr3t@h/x?sig=s3cr3t", String::new()),
        ("verify -c it", file("full = 'http://me:s3cr3t@h/'")),
        ("verify -c it", file("full = 'http://h/'\nfull-headers = 'Cookie: s3cr3t'")),
        ("verify -c it", file("full = 'http://h/'\nfull-headers = ['s3cr3t']")),
        ("verify -c it", file("full = 'http://h/'\nfull-headers = ['Cook(ie: s3cr3t']")),
    ] {
        let told = error_with(arguments, &text);
        assert!(!told.contains(SECRET), "{told}");
    }
}

/// The user would expect an ignored option to have an effect.
#[test]
fn options_without_effect_are_refused() {
    let of_target =
        ["--app http://h/", "--direct http://h/", "--handoff X-Sendfile:/x", "--full http://h/"];
    let beside_targets = [
        "--site http://h/",
        "--storage file:///x",
        "--inner http://h/",
        "--unix-socket /x",
        "--app-header a:b",
        "--full-header a:b",
        "--full-method HEAD",
        "--expect-header a:b",
        "--private",
        "--refused http://h/",
    ];
    for option in of_target {
        let fixture = format!("verify --fixture http://h --site http://h {option}");
        assert!(error(&fixture).contains("cannot be used with"), "{fixture}");
    }
    for option in of_target.iter().chain(&beside_targets) {
        let file = format!("verify -c it {option}");
        assert!(error(&file).contains("cannot be used with"), "{file}");
    }
}

/// The error message of a wrong call, which must exit with status 2.
fn error(arguments: &str) -> String {
    error_with(arguments, "")
}

/// The error message if the file `it` contains this text.
fn error_with(arguments: &str, text: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary directory");
    fs::write(folder.path().join("it"), text).expect("a temporary file");
    let mut program = program(&arguments.split(' ').collect::<Vec<_>>());
    let output = program.current_dir(&folder).timeout(AT_ONCE).output().expect("the program runs");
    assert_eq!((output.status.code(), out(&output)), (Some(2), ""), "{arguments}");
    err(&output).to_owned()
}
