//! WebDAV servers: Apache and nginx.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
};

use super::{Curl, Store, folder, free_ports, key, start, until, words};

/// Starts Apache with mod_dav.
pub(super) fn start_apache(apache: PathBuf) -> Store {
    let run = folder("apache-dav");
    let [port] = free_ports();
    let at = run.display();
    let modules = [
        ("mpm_event", "mpm_event"),
        ("authz_core", "authz_core"),
        ("dav", "dav"),
        ("dav_fs", "dav_fs"),
        ("dav_lock", "dav_lock"),
    ];
    let modules = modules.map(|(name, file)| {
        format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{file}.so\n")
    });
    let config = format!(
        "{}ServerName it\nListen 127.0.0.1:{port}\nPidFile {at}/pid\nErrorLog {at}/error.log\n\
         DavLockDB {at}/locks\nDocumentRoot {at}/root\n\
         <Directory {at}/root>\nDav On\nRequire all granted\n</Directory>\n",
        modules.concat()
    );
    fs::create_dir_all(run.join("root/dav")).expect("a directory");
    let arguments = config_of(&run, &config, &["-DFOREGROUND", "-f"]);
    start(&apache, &arguments, &run);
    let store = Store::dav("Apache mod_dav", format!("http://127.0.0.1:{port}/dav"), &[]);
    until("Apache accepts connections", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    store
}

/// Starts nginx with its dav module, and a password.
pub(super) fn start_nginx(nginx: PathBuf) -> Store {
    let run = folder("nginx-dav");
    let [port] = free_ports();
    let at = run.display();
    let config = format!(
        "daemon off; user root; pid {at}/pid; error_log {at}/error.log; events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/t1;\n\
         fastcgi_temp_path {at}/t2; uwsgi_temp_path {at}/t3; scgi_temp_path {at}/t4;\n\
         server {{ listen 127.0.0.1:{port}; root {at}/root; client_max_body_size 0;\n\
         dav_methods PUT DELETE MKCOL; auth_basic it; auth_basic_user_file {at}/users; }} }}\n"
    );
    fs::create_dir_all(run.join("root/dav")).expect("a directory");
    fs::write(run.join("users"), "probe:{PLAIN}probesecret\n").expect("a temporary file");
    let mut arguments = config_of(&run, &config, &["-c"]);
    arguments.extend(words(&["-p", &at.to_string(), "-e", &format!("{at}/error.log")]));
    start(&nginx, &arguments, &run);
    let root = format!("http://127.0.0.1:{port}/dav");
    let store = Store::dav("nginx dav", root, &["--user", "probe:probesecret"]);
    until("nginx accepts connections", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    Store {
        key: key("username", "probe", "password", "probesecret"),
        wrong_key: key("username", "probe", "password", "guessed"),
        ..store
    }
}

impl Store {
    /// A WebDAV directory at this URL.
    pub(super) fn dav(name: &'static str, root: String, options: &[&str]) -> Self {
        Self {
            name,
            url: root.clone(),
            missing: Some(root.replace("/dav", "/missing/media")),
            place: Vec::new(),
            key: Vec::new(),
            wrong_key: Vec::new(),
            reader: Vec::new(),
            stranger: Vec::new(),
            curl: Curl { root, options: words(options), query: "" },
        }
    }
}

fn config_of(run: &Path, text: &str, before: &[&str]) -> Vec<String> {
    let path = run.join("server.conf");
    fs::write(&path, text).expect("a temporary file");
    words(before).into_iter().chain([path.display().to_string()]).collect()
}
