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
        error: nothing to check
        hint: add --fixture URL and --site URL, or --full URL, or --config FILE
    "#);
    assert_snapshot!(error("verify --fixture http://127.0.0.1:8000"), @r#"
        error: the following required arguments were not provided:
          --site <URL>

        Usage: sendfile-check verify --fixture <URL> --site <URL>

        For more information, try '--help'.
    "#);
    assert_snapshot!(error("verify --full example.org/x"), @"
    error: --full: invalid URL `example.org/x`: missing scheme
    hint: start it with `http://` or `https://`
    ");
    assert_snapshot!(error("snippet h2o"), @r#"
        error: invalid value 'h2o' for '<PROXY>'
          [possible values: nginx, apache, lighttpd, caddy]

        For more information, try '--help'.
    "#);
    assert_snapshot!(error("demo --proxy h2o"), @r#"
        error: invalid value 'h2o' for '--proxy <PROXY>'
          [possible values: built-in, nginx, apache, lighttpd, caddy]

        For more information, try '--help'.
    "#);
    // Without arguments the program prints its help.
    let output = run(&[]);
    assert_eq!((output.status.code(), out(&output)), (Some(2), ""));
    assert!(err(&output).contains("Usage: sendfile-check [OPTIONS] <COMMAND>"));
}

#[test]
fn errors_about_values() {
    assert_snapshot!(error("verify --full http://h/ --storage ftp://h/x"), @r#"
        error: storage `ftp://h/x`: unsupported URL scheme `ftp`
        hint: use `file:///PATH`, `s3://BUCKET/KEY`, `az://CONTAINER/KEY`, `gs://BUCKET/KEY` or `https://…`
    "#);
    assert_snapshot!(error("verify --full http://h/ --storage s3://bucket/x"), @r#"
        error: storage `s3://bucket/x`: no credentials
        hint: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or add --storage-metadata to use this machine's metadata service
    "#);
    let options = "--storage-option acces_key_id=hush --storage-option endpoint=127.0.0.1:9000";
    let said = error(&format!("verify --full http://h/ --storage s3://bucket/x {options}"));
    assert_snapshot!(said, @r#"
        error: storage `s3://bucket/x`: unknown option `acces_key_id`
        hint: did you mean `access_key_id`?
    "#);
    assert_snapshot!(error("verify --full http://h/ --storage file://media/x"), @r#"
        error: storage `file://media/x`: the path is not absolute
        hint: use three slashes, e.g. `file:///srv/media`
    "#);
    assert_snapshot!(error("verify --full http://h/ --storage /srv/media/x"), @r#"
        error: storage `/srv/media/x`: missing URL scheme
        hint: for a local path write e.g. `file:///srv/media`
    "#);
    assert_snapshot!(error("verify --full http://h/ --handoff X-Accel=Redirect"), @"
    error: --handoff: `X-Accel=Redirect: …`: not a valid header line: invalid HTTP header name
    hint: write `Name: value`, e.g. `Cookie: id=1`
    ");
    assert_snapshot!(error("verify --full http://h/ --app-header nocolon"), @r#"
        error: --app-header: `…`: not a valid header line: no colon
        hint: write `Name: value`, e.g. `Cookie: id=1`
    "#);
    assert_snapshot!(error("verify --full http://h/ --timeout 5"), @r#"
        error: invalid value '5' for '--timeout <TIME>': expected a time, e.g. `500ms`, `10s` or `2m` (time unit needed, for example 5sec or 5ms)

        For more information, try '--help'.
    "#);
    assert_snapshot!(error("snippet nginx --map files"), @r#"
        error: --map `files`: not a valid prefix
        hint: start and end it with a slash, e.g. `/protected/`
    "#);
}

#[test]
fn errors_about_snippets_for_a_private_bucket() {
    assert_snapshot!(error("snippet nginx --storage https://s3.test/bucket"), @r#"
        error: --storage `https://s3.test/bucket`: not a directory
        hint: for links to a store add `--remote signed`
    "#);
    assert_snapshot!(error("snippet nginx --remote signed --storage s3://bucket/media"), @r#"
        error: --storage `s3://bucket/media`: not an http or https URL
        hint: use the prefix of the app's links, e.g. `https://s3.example.com/bucket/media`
    "#);
    assert_snapshot!(error("snippet nginx --remote signed --storage https://$host/bucket"), @r#"
        error: --storage `https://$host/bucket`: invalid host
        hint: use the prefix of the app's links, e.g. `https://s3.example.com/bucket/media`
    "#);
    assert_snapshot!(error("snippet nginx --remote signed --remote-header X-Link"), @r#"
        error: --remote-header `X-Link`: only valid for `--remote signed-header`
        hint: add `--remote signed-header`, or omit --remote-header
    "#);
    assert_snapshot!(error("snippet caddy --remote signed-header"), @r#"
        error: --remote `signed-header`: no snippet for caddy
        hint: use nginx, or `--remote signed`, which supports Caddy
    "#);
    assert_snapshot!(error("snippet apache --remote signed"), @r#"
        error: --remote `signed`: no snippet for apache
        hint: use nginx or Caddy; X-Sendfile only supports files on the proxy's machine
    "#);
}

#[test]
fn configuration_errors() {
    assert_snapshot!(
        error("verify -c no-such.toml"),
        @"error: `no-such.toml`: cannot read the configuration: No such file or directory (os error 2)"
    );
    assert_snapshot!(error_with("verify -c it", "targets = 1"), @"error: `it`: invalid configuration: line 1: invalid type: integer `1`, expected a map");
    assert_snapshot!(error_with("verify -c it", ""), @r#"
        error: `it`: invalid configuration: no target
        hint: add a table, e.g. `[targets.downloads]`
    "#);
    assert_snapshot!(
        error_with("verify -c it", "[targets.a]\nfull = 'http://h/'\nstorge = 'file:///x'"),
        @r#"
        error: `it`: invalid configuration: line 3: unknown field `storge`, expected one of `fixture`, `site`, `storage`, `storage-options`, `storage-metadata`, `app`, `direct`, `full`, `inner`, `unix-socket`, `handoff`, `app-headers`, `full-headers`, `full-method`, `expect-headers`, `private`, `cert-days`, `refused`, `proxy-config`, `error-log`
        hint: did you mean `storage`?
        "#
    );
    assert_snapshot!(error_with("verify -c it -t b", "[targets.a]\nfull = 'http://h/'"), @r#"
        error: target `b`: not in `it`, which has a
        hint: give --target the name of a table `[targets.NAME]`
    "#);
    assert_snapshot!(error_with("verify -c it", "[targets.a]\nfixture = 'http://h/'"), @r#"
        error: target `a`: set either `fixture` and `site`, or `full`
        hint: e.g. `fixture = "http://127.0.0.1:8000"` and `site = "https://example.org"`
    "#);
}

#[test]
fn errors_about_rules() {
    assert_snapshot!(error("explain handoff.root-for-alais"), @r#"
        error: explain `handoff.root-for-alais`: unknown rule; did you mean `handoff.root-for-alias`?
        hint: list all rules with `sendfile-check rules`
    "#);
    assert_snapshot!(error("explain alias"), @r#"
        error: explain `alias`: unknown rule; did you mean `proxy.alias-traversal`, `handoff.alias-traversal`, `handoff.root-for-alias` or `handoff.alias-wrong-directory`?
        hint: list all rules with `sendfile-check rules`
    "#);
    assert_snapshot!(error("verify --full http://h/ --only storage.file-mising"), @r#"
        error: --only `storage.file-mising`: unknown rule; did you mean `storage.file-missing`?
        hint: list all rules with `sendfile-check rules`
    "#);
    assert_snapshot!(error("verify --full http://h/ --skip nonsense"), @r#"
        error: --skip `nonsense`: unknown rule
        hint: list all rules with `sendfile-check rules`
    "#);
}

#[test]
fn errors_about_reports() {
    assert_snapshot!(
        error("judge no-such.json"),
        @"error: `no-such.json`: cannot read the report: No such file or directory (os error 2)"
    );
    assert_snapshot!(
        error_with("judge it", "[targets.a]"),
        @"error: `it`: cannot judge the report: not a report of `sendfile-check verify -o json`: expected ident at line 1 column 3"
    );
    assert_snapshot!(
        error_with("judge it", r#"{"version": 2, "targets": []}"#),
        @"error: `it`: cannot judge the report: unsupported report version 2 (expected 1)"
    );
    assert_snapshot!(
        error_with("judge it", r#"{"version": 1, "tool": "", "started": "", "targets": [{}]}"#),
        @"error: `it`: cannot judge the report: not a report of `sendfile-check verify -o json`: missing field `name` at line 1 column 56"
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
        let error = error_with(arguments, &text);
        assert!(!error.contains(SECRET), "{error}");
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
