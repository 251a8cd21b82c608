//! The error messages of the program for invalid usage.

use std::{fs, net::TcpListener, os::unix::fs::symlink, time::Duration};

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::process::{tree, url};

/// Runs the program, which must exit with code 2, and returns its error message.
fn refused(args: &[&str]) -> String {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_sendfile-fixture"));
    for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE"] {
        command.env_remove(key);
    }
    let output = command.args(args).timeout(Duration::from_secs(60)).assert().code(2);
    let output = output.get_output();
    assert_eq!(output.stdout, b"", "errors are not printed to stdout");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Like [`refused`], with a storage whose path is replaced in the message.
fn refused_in(directory: &TempDir, more: &[&str]) -> String {
    let storage = url(directory);
    let args = ["serve", "--listen", "127.0.0.1:0", "--storage", &storage];
    let message = refused(&[&args[..], more].concat());
    message.replace(&directory.path().display().to_string(), "STORAGE")
}

#[test]
fn unknown_flag() {
    assert_snapshot!(refused(&["serve", "--storag", "file:///srv/media"]), @r"
    error: unexpected argument '--storag' found

      tip: a similar argument exists: '--storage'

    Usage: sendfile-fixture serve --storage <URL>

    For more information, try '--help'.
    ");
}

#[test]
fn no_storage() {
    assert_snapshot!(refused(&["serve"]), @r"
    error: the following required arguments were not provided:
      --storage <URL>

    Usage: sendfile-fixture serve --storage <URL>

    For more information, try '--help'.
    ");
}

#[test]
fn storage_that_is_a_path() {
    assert_snapshot!(refused(&["serve", "--storage", "/srv/my media"]), @r"
    error: `/srv/my media` is not a valid storage URL
    hint: use `file:///srv/my%20media`
    ");
    assert_snapshot!(refused(&["serve", "--storage", "media"]), @r"
    error: `media` is not a valid storage URL
    hint: use `file://` and an absolute path, `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, `gs://BUCKET/PREFIX`, or the `https://` URL of a WebDAV directory
    ");
    assert_snapshot!(refused(&["serve", "--storage", "file://media"]), @r"
    error: `file://media` is not a valid storage URL
    hint: use `file://` and an absolute path, `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, `gs://BUCKET/PREFIX`, or the `https://` URL of a WebDAV directory
    ");
}

#[test]
fn storage_without_credentials() {
    assert_snapshot!(refused(&["serve", "--storage", "s3://bucket/media"]), @r"
    error: no credentials for the storage
    hint: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or add `--storage-metadata` to request credentials from this host's metadata service
    ");
}

#[test]
fn storage_that_is_missing() {
    let directory = TempDir::new().unwrap();
    let storage = format!("{}/media", url(&directory));
    let message = refused(&["serve", "--storage", &storage]);
    assert_snapshot!(message.replace(&*directory.path().to_string_lossy(), "STORAGE"), @r"
    error: cannot open the storage `file://STORAGE/media`
      caused by: No such file or directory (os error 2)
    hint: use the existing directory from which the app serves its files
    ");
}

#[test]
fn storage_below_a_file() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let storage = format!("{}/file/media", url(&directory));
    let message = refused(&["serve", "--storage", &storage]);
    assert_snapshot!(message.replace(&*directory.path().to_string_lossy(), "STORAGE"), @r"
    error: cannot open the storage `file://STORAGE/file/media`
      caused by: Not a directory (os error 20)
    hint: use the existing directory from which the app serves its files
    ");
}

/// Not even root can write to this directory, so the test also works in a container.
#[cfg(target_os = "linux")]
#[test]
fn storage_that_is_not_writable() {
    let message = refused(&["serve", "--storage", "file:///sys", "--listen", "127.0.0.1:0"]);
    let (message, causes) = message.split_once("  caused by: ").unwrap();
    assert_snapshot!(message, @"error: cannot write `/sys/healthcheck/placed.txt`");
    assert!(causes.contains("hint: give the fixture's user write access"), "{causes}");
}

#[test]
fn port_in_use() {
    let directory = TempDir::new().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let storage = url(&directory);
    let message = refused(&["serve", "--storage", &storage, "--listen", &address]);
    assert_snapshot!(message.replace(&address, "ADDRESS"), @r"
    error: cannot listen on `ADDRESS`: another server is listening there
    hint: stop the other server or set another address with `--listen`
    ");
    assert!(tree(directory.path()).is_empty(), "nothing is placed before the fixture listens");
}

#[test]
fn option_of_another_dialect() {
    let directory = TempDir::new().unwrap();
    let message = refused_in(&directory, &["--dialect", "x-sendfile", "--accel-buffering", "no"]);
    assert_snapshot!(message, @r"
    error: `--accel-buffering` has no effect with `--dialect x-sendfile`

    Usage: sendfile-fixture serve [OPTIONS] --storage <URL>

    For more information, try '--help'.
    ");
    assert_snapshot!(refused_in(&directory, &["--header", "X-Mine"]), @r"
    error: `--header` has no effect with `--dialect x-accel-redirect`

    Usage: sendfile-fixture serve [OPTIONS] --storage <URL>

    For more information, try '--help'.
    ");
    assert_snapshot!(refused_in(&directory, &["--remote", "signed", "--remote-header", "X-Link"]), @r"
    error: `--remote-header` requires `--remote signed-header`

    Usage: sendfile-fixture serve [OPTIONS] --storage <URL>

    For more information, try '--help'.
    ");
    assert_snapshot!(refused_in(&directory, &["--dialect", "custom", "--header", "X-Mine"]), @r"
    error: `--dialect custom` requires `--escape`

    Usage: sendfile-fixture serve [OPTIONS] --storage <URL>

    For more information, try '--help'.
    ");
}

#[test]
fn invalid_values() {
    let directory = TempDir::new().unwrap();
    assert_snapshot!(refused_in(&directory, &["--map", "/protected/\r\nX-Evil: 1"]), @"error: `/protected/\\r\\nX-Evil: 1` cannot be a header value: it contains control characters");
    assert_snapshot!(refused_in(&directory, &["--map", "protected"]), @"error: `protected` is not a valid path prefix: it must begin with `/`");
    assert_snapshot!(refused_in(&directory, &["--name", "a\nb"]), @"error: `a\\nb` is not a valid file name");
    assert_snapshot!(refused_in(&directory, &["--name", "../secret"]), @"error: `../secret` is not a valid file name");
    assert_snapshot!(refused_in(&directory, &["--name", "dummy.html"]), @"error: the fixture already uses the name `dummy.html` for another file");
    assert_snapshot!(refused_in(&directory, &["--accel-charset", "utf 8"]), @"error: `utf 8` is not a valid charset name");
    assert_snapshot!(refused_in(&directory, &["--base", "/a b"]), @r"
    error: `/a b` is not a valid base path
    hint: use a path with the characters `[A-Za-z0-9._/-]`, for example `/healthcheck-utils`
    ");
    assert!(tree(directory.path()).is_empty());
}

#[test]
fn foreign_file_with_the_name_of_a_dummy() {
    let nearly = "sendfile-fixture/1 dummy instance=0123456789abcdef generation=01 ";
    let foreign = [
        ("dummy.bin", "my own file"),
        ("empty.bin", ""),
        ("large.bin", nearly),
        ("placed.txt", "sendfile-fixture/1 ledger instance=0123456789ABCDEF\n"),
    ];
    for (name, content) in foreign {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("healthcheck").join(name);
        fs::create_dir(directory.path().join("healthcheck")).unwrap();
        fs::write(&path, content).unwrap();
        let message = refused_in(&directory, &[]);
        assert!(
            message.contains(&format!("`STORAGE/healthcheck/{name}` exists and was not placed")),
            "{message}"
        );
        assert_eq!(fs::read_to_string(path).unwrap(), content);
        assert_eq!(tree(directory.path()), ["healthcheck/", &format!("healthcheck/{name}")]);
    }
}

#[test]
fn foreign_file_is_reported_with_a_hint() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("healthcheck")).unwrap();
    fs::write(directory.path().join("healthcheck/dummy.bin"), "my own file").unwrap();
    assert_snapshot!(refused_in(&directory, &[]), @r"
    error: `STORAGE/healthcheck/dummy.bin` exists and was not placed by this program
    hint: move the file away: the fixture needs this name
    ");
}

/// A dangling symbolic link seems to be missing when it is read, but writing would create its target.
#[test]
fn symbolic_links_and_directories_are_foreign() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("healthcheck/dummy.bin");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(directory.path().join("nowhere"), &path).unwrap();
    assert!(refused_in(&directory, &[]).contains("was not placed by this program"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(refused_in(&directory, &[]).contains("was not placed by this program"));
    assert_eq!(tree(directory.path()), ["healthcheck/", "healthcheck/dummy.bin/"]);
}

#[test]
fn socket_path_with_a_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "mine").unwrap();
    let listen = format!("unix:{}", path.display());
    let storage = url(&directory);
    let message = refused(&["serve", "--storage", &storage, "--listen", &listen]);
    assert_snapshot!(message.replace(&*directory.path().to_string_lossy(), "STORAGE"), @r"
    error: cannot listen on `unix:STORAGE/file`: the path exists and is not a socket
    hint: move the file away or choose another path
    ");
    assert_eq!(fs::read_to_string(path).unwrap(), "mine");
}

#[test]
fn unit_without_sockets() {
    let directory = TempDir::new().unwrap();
    let storage = url(&directory);
    assert_snapshot!(refused(&["serve", "--storage", &storage, "--listen", "systemd"]), @r"
    error: `--listen systemd` requires a systemd unit of type .socket

    Usage: sendfile-fixture serve [OPTIONS] --storage <URL>

    For more information, try '--help'.
    ");
}

/// The environment file of the service contains only variables of existing options.
#[test]
fn variables_of_the_service_are_options() {
    let help = assert_cmd::Command::new(crate::PROGRAM).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let text = include_str!("../../../systemd/sendfile-fixture.default");
    let mut options = 0;
    for line in text.lines() {
        if let Some(setting) = line.strip_prefix("#SENDFILE_FIXTURE_")
            && let Some((name, _)) = setting.split_once('=')
        {
            let option = format!("--{} <", name.to_lowercase().replace('_', "-"));
            assert!(help.contains(&option), "{option}");
            options += 1;
        }
    }
    assert!(options > 2);
}
