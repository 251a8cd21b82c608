//! Ceph's S3 on a minimal cluster: a monitor, an OSD in memory, and radosgw.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Curl, Store, folder, free_ports, key, start, until, words};

/// The key of all daemons of the cluster, which listens only on loopback and ends with the tests.
const KEY: &str = "AQBjTxxpAAAAABAAqXm0aS8Zk0Yd3m4vQp7m3g==";

/// The members of the cluster, with their capabilities.
const MEMBERS: [(&str, &str, &str); 4] = [
    ("mon.", "allow *", "allow *"),
    ("client.admin", "allow *", "allow *"),
    ("osd.0", "allow profile osd", "allow *"),
    ("client.rgw", "allow rw", "allow rwx"),
];

const CLUSTER: &str = "11111111-2222-3333-4444-555555555555";
const DISK: &str = "99999999-2222-3333-4444-555555555555";

/// Starts the cluster. The monitor gets the map of its only OSD, so that none has to be created with
/// Ceph's Python tools.
pub(super) fn start_radosgw(radosgw: PathBuf) -> Store {
    let run = folder("radosgw");
    let ports = free_ports::<10>();
    let [port, monitor, ..] = ports;
    configure(&run, ports);
    let at = |name: &str| run.join(name).display().to_string();
    let cluster = Cluster { run: &run };
    let address = format!("[v2:127.0.0.1:{monitor}]");
    let monmap = at("monmap");
    cluster.run("monmaptool", &["--create", "--fsid", CLUSTER, "--addv", "a", &address, &monmap]);
    cluster.run("osdmaptool", &["--createsimple", "1", &at("osdmap")]);
    let maps = ["--monmap", &monmap, "--osdmap", &at("osdmap"), "--keyring", &at("keyring")];
    cluster.run("ceph-mon", &[&["--mkfs", "-i", "a"], &maps[..]].concat());
    cluster.start(Path::new("/usr/bin/ceph-mon"), "mon", &["-f", "-i", "a"]);
    cluster.run("ceph-osd", &["--mkfs", "-i", "0", "--osd-uuid", DISK]);
    cluster.start(Path::new("/usr/bin/ceph-osd"), "osd", &["-f", "-i", "0"]);
    for (name, secret) in
        [("probe", "probesecret"), ("reader", "readersecret"), ("other", "othersecret")]
    {
        let user = ["-n", "client.rgw", "user", "create", "--uid", name, "--display-name", name];
        let keys = ["--access-key", name, "--secret-key", secret];
        cluster.run("radosgw-admin", &[&user[..], &keys].concat());
    }
    cluster.start(&radosgw, "", &["-f", "-n", "client.rgw"]);
    store(port)
}

fn store(port: u16) -> Store {
    let endpoint = format!("http://127.0.0.1:{port}");
    let options = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", "probe:probesecret"];
    let unsigned = ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"];
    let options = words(&[options.as_slice(), &unsigned].concat());
    let curl = Curl { root: format!("{endpoint}/probe"), options, query: "" };
    until("the bucket exists", || curl.ask("PUT", "", "", None).0 == 200);
    let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam:::user/reader"]},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::probe", "arn:aws:s3:::probe/*"]}]}"#;
    let response = curl.ask("PUT", "", "policy=", Some(policy));
    assert!((200..300).contains(&response.0), "{response:?}");
    // The first write waits until the pools exist.
    until("an object can be written", || curl.ask("PUT", "first", "", Some("first")).0 == 200);
    Store {
        name: "Ceph radosgw",
        url: "s3://probe/media".into(),
        missing: Some("s3://missing/media".into()),
        place: vec![("endpoint", endpoint), ("region", "us-east-1".into())],
        key: key("access_key_id", "probe", "secret_access_key", "probesecret"),
        wrong_key: key("access_key_id", "probe", "secret_access_key", "guessed"),
        reader: key("access_key_id", "reader", "secret_access_key", "readersecret"),
        stranger: key("access_key_id", "other", "secret_access_key", "othersecret"),
        curl: Curl { root: curl.root.clone() + "/media", ..curl },
    }
}

/// Writes the configuration of all daemons.
fn configure(run: &Path, [port, monitor, others @ ..]: [u16; 10]) {
    let (at, disk) = (run.display(), 1u64 << 30);
    let (low, high) = (others.iter().min(), others.iter().max());
    let (low, high) = (low.expect("ports"), high.expect("ports"));
    let config = format!(
        "[global]\nfsid = {CLUSTER}\nmon host = [v2:127.0.0.1:{monitor}]\nkeyring = {at}/keyring\n\
         run dir = {at}\nadmin socket =\nlog file = {at}/$name.log\n\
         public addr = 127.0.0.1\nms bind msgr1 = false\nms bind ipv6 = false\n\
         ms bind port min = {low}\nms bind port max = {high}\n\
         osd pool default size = 1\nosd pool default min size = 1\nosd pool default pg num = 1\n\
         osd pool default pg autoscale mode = off\nosd crush chooseleaf type = 0\n\
         mon allow pool size one = true\nmon data = {at}/mon\nmon data avail crit = 0\n\
         osd data = {at}/osd\nosd objectstore = memstore\nmemstore device bytes = {disk}\n\
         rgw data = {at}/rgw\nrgw frontends = beast endpoint=127.0.0.1:{port}\n\
         # There is no other monitor to wait for (2 s instead of 17 s).\n\
         paxos propose interval = 0.02\npaxos min wait = 0.01\n"
    );
    fs::write(run.join("ceph.conf"), config).expect("a temporary file");
    let mut keyring = String::new();
    for (name, mon, osd) in MEMBERS {
        keyring += &format!("[{name}]\nkey = {KEY}\ncaps mon = \"{mon}\"\ncaps osd = \"{osd}\"\n");
    }
    fs::write(run.join("keyring"), keyring).expect("a temporary file");
    for part in ["mon", "osd", "rgw"] {
        fs::create_dir(run.join(part)).expect("a directory");
    }
}

/// The programs of a cluster, which share one configuration.
struct Cluster<'a> {
    run: &'a Path,
}

impl Cluster<'_> {
    /// Runs a program to its end.
    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new("timeout");
        command.args(["30", program]).args(arguments).env("CEPH_CONF", self.run.join("ceph.conf"));
        let out = command.stdin(Stdio::null()).output().expect("a program of Ceph");
        let messages = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{program} {arguments:?}: {messages}");
    }

    /// Starts a daemon in its directory, which is removed when it ends.
    fn start(&self, program: &Path, part: &str, arguments: &[&str]) {
        let config = self.run.join("ceph.conf").display().to_string();
        let arguments = words(&[&["-c", &config], arguments].concat());
        start(program, &arguments, &self.run.join(part));
    }
}
