//! What the program says to people who start it wrongly.

use std::{fs, net::TcpListener, os::unix::fs::symlink, time::Duration};

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::process::{tree, url};

/// Runs the program to its end, which must be exit code 2, and returns what it says.
fn refused(args: &[&str]) -> String {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_sendfile-fixture"));
    for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE"] {
        command.env_remove(key);
    }
    let output = command.args(args).timeout(Duration::from_secs(60)).assert().code(2);
    let output = output.get_output();
    assert_eq!(output.stdout, b"", "errors do not belong on stdout");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Like [`refused`], with the folder's name left out of what is said.
fn refused_in(folder: &TempDir, more: &[&str]) -> String {
    let storage = url(folder);
    let args = ["serve", "--listen", "127.0.0.1:0", "--storage", &storage];
    let said = refused(&[&args[..], more].concat());
    said.replace(&folder.path().display().to_string(), "STORAGE")
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
    error: `/srv/my media` is not the URL of a storage
    hint: write `file:///srv/my%20media`
    ");
    assert_snapshot!(refused(&["serve", "--storage", "media"]), @r"
    error: `media` is not the URL of a storage
    hint: write `file://` and an absolute path, `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, `gs://BUCKET/PREFIX`, or the `https://` URL of a WebDAV folder
    ");
    assert_snapshot!(refused(&["serve", "--storage", "file://media"]), @r"
    error: `file://media` is not the URL of a storage
    hint: write `file://` and an absolute path, `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, `gs://BUCKET/PREFIX`, or the `https://` URL of a WebDAV folder
    ");
}

#[test]
fn storage_of_another_kind() {
    assert_snapshot!(refused(&["serve", "--storage", "s3://bucket/media"]), @r"
    error: there are no credentials for the storage
    hint: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or `--storage-metadata`, to ask this machine's metadata service
    ");
}

#[test]
fn storage_that_is_missing() {
    let folder = TempDir::new().unwrap();
    let storage = format!("{}/media", url(&folder));
    let said = refused(&["serve", "--storage", &storage]);
    assert_snapshot!(said.replace(&*folder.path().to_string_lossy(), "STORAGE"), @r"
    error: cannot open the storage `file://STORAGE/media`
      caused by: No such file or directory (os error 2)
    hint: the folder must be there: it is the one the app uses
    ");
}

#[test]
fn storage_below_a_file() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let storage = format!("{}/file/media", url(&folder));
    let said = refused(&["serve", "--storage", &storage]);
    assert_snapshot!(said.replace(&*folder.path().to_string_lossy(), "STORAGE"), @r"
    error: cannot open the storage `file://STORAGE/file/media`
      caused by: Not a directory (os error 20)
    hint: the folder must be there: it is the one the app uses
    ");
}

/// A folder in which not even root may write, so that the test means something in a container.
#[cfg(target_os = "linux")]
#[test]
fn storage_that_may_not_be_written() {
    let said = refused(&["serve", "--storage", "file:///sys", "--listen", "127.0.0.1:0"]);
    let (said, causes) = said.split_once("  caused by: ").unwrap();
    assert_snapshot!(said, @"error: cannot write `/sys/healthcheck/placed.txt`");
    assert!(causes.contains("hint: let the fixture's user write there"), "{causes}");
}

#[test]
fn port_in_use() {
    let folder = TempDir::new().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let storage = url(&folder);
    let said = refused(&["serve", "--storage", &storage, "--listen", &address]);
    assert_snapshot!(said.replace(&address, "ADDRESS"), @r"
    error: cannot listen on `ADDRESS`: another server listens there
    hint: stop the other one, or choose another `--listen`
    ");
    assert!(tree(folder.path()).is_empty(), "nothing is placed before it listens");
}

#[test]
fn option_of_another_dialect() {
    let folder = TempDir::new().unwrap();
    let said = refused_in(&folder, &["--dialect", "x-sendfile", "--accel-buffering", "no"]);
    assert_snapshot!(said, @r"
    error: `--accel-buffering` means nothing to the dialect `x-sendfile`

    Usage: sendfile-fixture serve [OPTIONS] --storage <URL>

    For more information, try '--help'.
    ");
    assert_snapshot!(refused_in(&folder, &["--header", "X-Mine"]), @r"
    error: `--header` means nothing to the dialect `x-accel-redirect`

    Usage: sendfile-fixture serve [OPTIONS] --storage <URL>

    For more information, try '--help'.
    ");
    assert_snapshot!(refused_in(&folder, &["--remote", "signed", "--remote-header", "X-Link"]), @r"
    error: `--remote-header` needs `--remote signed-header`

    Usage: sendfile-fixture serve [OPTIONS] --storage <URL>

    For more information, try '--help'.
    ");
    assert_snapshot!(refused_in(&folder, &["--dialect", "custom", "--header", "X-Mine"]), @r"
    error: `--dialect custom` needs `--escape`

    Usage: sendfile-fixture serve [OPTIONS] --storage <URL>

    For more information, try '--help'.
    ");
}

#[test]
fn values_that_no_header_can_carry() {
    let folder = TempDir::new().unwrap();
    assert_snapshot!(refused_in(&folder, &["--map", "/protected/\r\nX-Evil: 1"]), @"error: `/protected/\\r\\nX-Evil: 1` cannot be put into a header: it has control characters");
    assert_snapshot!(refused_in(&folder, &["--map", "protected"]), @"error: `protected` is not a map: it must begin with `/`");
    assert_snapshot!(refused_in(&folder, &["--name", "a\nb"]), @"error: `a\\nb` is not the name of a file");
    assert_snapshot!(refused_in(&folder, &["--name", "../secret"]), @"error: `../secret` is not the name of a file");
    assert_snapshot!(refused_in(&folder, &["--name", "dummy.html"]), @"error: `dummy.html` is the name of another file of the fixture");
    assert_snapshot!(refused_in(&folder, &["--accel-charset", "utf 8"]), @"error: `utf 8` is not the name of a charset");
    assert_snapshot!(refused_in(&folder, &["--base", "/a b"]), @r"
    error: `/a b` is not a base path
    hint: write a path of `[A-Za-z0-9._/-]`: `/healthcheck-utils`
    ");
    assert!(tree(folder.path()).is_empty());
}

#[test]
fn foreign_file_where_a_dummy_should_go() {
    let nearly = "sendfile-fixture/1 dummy instance=0123456789abcdef generation=01 ";
    let foreign = [
        ("dummy.bin", "my own file"),
        ("empty.bin", ""),
        ("large.bin", nearly),
        ("placed.txt", "sendfile-fixture/1 ledger instance=0123456789ABCDEF\n"),
    ];
    for (name, content) in foreign {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("healthcheck").join(name);
        fs::create_dir(folder.path().join("healthcheck")).unwrap();
        fs::write(&path, content).unwrap();
        let said = refused_in(&folder, &[]);
        assert!(said.contains(&format!("`STORAGE/healthcheck/{name}` was not placed")), "{said}");
        assert_eq!(fs::read_to_string(path).unwrap(), content);
        assert_eq!(tree(folder.path()), ["healthcheck/", &format!("healthcheck/{name}")]);
    }
}

#[test]
fn foreign_file_is_named_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("healthcheck")).unwrap();
    fs::write(folder.path().join("healthcheck/dummy.bin"), "my own file").unwrap();
    assert_snapshot!(refused_in(&folder, &[]), @r"
    error: `STORAGE/healthcheck/dummy.bin` was not placed by this program, and is left as it is
    hint: move it away: the fixture needs this name
    ");
}

/// A link that leads nowhere reads like no file at all, but writing would make its target.
#[test]
fn links_and_folders_are_foreign() {
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("healthcheck/dummy.bin");
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    symlink(folder.path().join("nowhere"), &place).unwrap();
    assert!(refused_in(&folder, &[]).contains("was not placed by this program"));
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    assert!(refused_in(&folder, &[]).contains("was not placed by this program"));
    assert_eq!(tree(folder.path()), ["healthcheck/", "healthcheck/dummy.bin/"]);
}

#[test]
fn socket_path_with_a_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "mine").unwrap();
    let listen = format!("unix:{}", path.display());
    let storage = url(&folder);
    let said = refused(&["serve", "--storage", &storage, "--listen", &listen]);
    assert_snapshot!(said.replace(&*folder.path().to_string_lossy(), "STORAGE"), @r"
    error: cannot listen on `unix:STORAGE/file`: a file that is not a socket is there
    hint: move it away, or choose another path
    ");
    assert_eq!(fs::read_to_string(path).unwrap(), "mine");
}

#[test]
fn sockets_of_a_unit_without_one() {
    let folder = TempDir::new().unwrap();
    let storage = url(&folder);
    assert_snapshot!(refused(&["serve", "--storage", &storage, "--listen", "systemd"]), @r"
    error: `--listen systemd` needs a unit of type .socket

    Usage: sendfile-fixture serve [OPTIONS] --storage <URL>

    For more information, try '--help'.
    ");
}

/// The file of the service names options by their variables.
#[test]
fn defaults_of_the_service_are_options() {
    let help = assert_cmd::Command::new(crate::PROGRAM).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let text = include_str!("../../../systemd/sendfile-fixture.default");
    let names =
        text.lines().filter_map(|it| it.strip_prefix("#SENDFILE_FIXTURE_")?.split_once('='));
    let options: Vec<_> =
        names.map(|(name, _)| format!("--{} <", name.to_lowercase().replace('_', "-"))).collect();
    assert!(options.len() > 2);
    assert!(options.iter().all(|it| help.contains(it)), "{options:?}");
}
