//! Where a server runs: IPv6 alone, a root that cannot be written, few file descriptors, a user without
//! rights, a network on which a proxy ends TLS, an orchestrator that takes its time.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;
use std::time::Duration;

use remint_testbed::http::{self, Answer};
use rustix::process::{Signal, getuid};

use crate::certificate::is_trusted_as;
use crate::home::{Home, Server, eventually, free_address, run};
use crate::support::{CREATE_ALICE, CREATE_SHOP, PASSWORD, REMINT, SECRET, bare};

/// Asks whoever listens at an address.
fn ask(address: SocketAddr, path: &str) -> Answer {
    let head = "HTTP/1.1\r\nHost: id.example.com\r\nConnection: close\r\n\r\n";
    http::exchange(address, format!("GET {path} {head}"))
}

#[test]
fn a_server_listens_on_ipv6_alone_and_its_issuer_is_an_address() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return eprintln!("left out: this machine has no IPv6");
    }
    let home = Home::furnished();
    home.set("http.plain", "false");
    home.set("issuer", "\"https://[::1]:9543\"");
    home.set("http.listen", "\"[::1]:0\"");
    let server = home.serve();
    assert!(server.url.starts_with("https://[::1]:"), "{}", server.url);
    assert!(is_trusted_as("::1", &server, &home.file("self-signed.crt")));
    let text = home.run(&["config", "check"]).ok().stdout;
    assert!(!text.contains("self-signed.crt"), "the certificate is for that address: {text}");
    server.stop();
    home.set("http.plain", "true");
    let server = home.serve();
    assert!(server.url.starts_with("http://[::1]:"), "{}", server.url);
    assert_eq!(
        server.get("/.well-known/openid-configuration").text("issuer"),
        "https://[::1]:9543"
    );
    server.log_in().ok();
}

#[test]
fn a_zone_is_refused_where_it_means_nothing_to_others() {
    let home = Home::new();
    home.set("issuer", "\"https://[fe80::1%25eth0]:9443\"");
    let error = home.run(&["config", "check"]).failed();
    assert!(error.contains("issuer = ") && error.contains("write an https URL"), "{error}");
}

/// A script in a mount namespace in which nothing but a directory can be written.
const READ_ONLY: &str = "mount --make-rprivate / && mount --bind \"$1\" \"$1\" && \
    mount -o remount,bind,ro / && ! touch /remint-was-here 2>/dev/null && exec \"$0\" serve --data-dir \"$1\"";

#[test]
fn a_root_that_cannot_be_written_is_enough_where_the_data_are_elsewhere() {
    let can =
        Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|o| o.status.success());
    if !can {
        return eprintln!("left out: `unshare -m` is not allowed here");
    }
    let home = Home::furnished();
    let mut command = bare("unshare");
    command.args(["-m", "sh", "-c", READ_ONLY, REMINT]).arg(home.dir());
    let server = Server::start(command, &home.file("serve.log"));
    let token = server.log_in().ok().text("refresh_token");
    server.refresh(&token).ok();
}

/// A script in a mount namespace in which nothing at all can be written.
const ALL_READ_ONLY: &str = "mount --make-rprivate / && mount --bind \"$1\" \"$1\" && \
    mount -o remount,bind,ro \"$1\" && mount -o remount,bind,ro / && \
    ! touch \"$1/remint-was-here\" 2>/dev/null && exec \"$0\" serve --data-dir \"$1\"";

#[test]
fn nothing_need_be_writable_where_the_data_are_in_postgresql() {
    let can =
        Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|o| o.status.success());
    if !can {
        return eprintln!("left out: `unshare -m` is not allowed here");
    }
    let home = Home::new();
    let Some(database) = remint_testbed::postgres().map(remint_testbed::Cluster::create_database)
    else {
        return;
    };
    let url = database.url();
    for (arguments, input) in
        [(&["migrate"][..], ""), (&CREATE_SHOP, SECRET), (&CREATE_ALICE, PASSWORD)]
    {
        let mut command = home.command(arguments);
        command.env("REMINT_STORE_URL", &url);
        run(command, input).ok();
    }
    let log = tempfile::tempdir().unwrap();
    let mut command = bare("unshare");
    command.args(["-m", "sh", "-c", ALL_READ_ONLY, REMINT]).arg(home.dir());
    command.env("REMINT_STORE_URL", &url);
    let server = Server::start(command, &log.path().join("serve.log"));
    let token = server.log_in().ok().text("refresh_token");
    server.refresh(&token).ok();
}

#[test]
fn with_64_file_descriptors_it_serves_and_recovers_from_more_connections_than_that() {
    let home = Home::furnished();
    let server = home.serve_in_shell("ulimit -n 64");
    let log = server.log();
    assert!(log.contains("the system allows 64 open files"), "{log}");
    let token = server.log_in().ok().text("refresh_token");
    // As many as the system's queue takes.
    let connect = || TcpStream::connect_timeout(&server.address(), Duration::from_millis(500)).ok();
    let many: Vec<_> = (0..200).map_while(|_| connect()).collect();
    assert!(many.len() > 24, "more than have a place");
    // Those that have a place are answered.
    let mut first = &many[0];
    first.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    first.write_all(b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    first.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    drop(many);
    eventually("it recovers", || {
        server.try_refresh(&token).is_some_and(|answer| answer.status == 200)
    });
    server.log_in().ok();
    let log = server.log();
    let said = log.matches("cannot accept a connection").count();
    assert!(said <= 2, "said once, not again and again: {log}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_user_without_rights_can_run_everything() {
    const NOBODY: u32 = 65_534;
    if !getuid().is_root() {
        return eprintln!("left out: whoever runs this has no rights anyway");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("remint");
    fs::copy(REMINT, &program).unwrap();
    let place = dir.path().join("place");
    fs::create_dir(&place).unwrap();
    chown(&place, Some(NOBODY), Some(NOBODY)).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = bare("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]);
        command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(&program).args(arguments);
        command.arg("--data-dir").arg(place.join("data"));
        command
    };
    run(command(&["init", "--issuer", "http://127.0.0.1:9080"]), "").ok();
    run(command(&CREATE_SHOP), SECRET).ok();
    run(command(&CREATE_ALICE), PASSWORD).ok();
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("REMINT_OPS_LISTEN", "off");
    let server = Server::start(serve, &dir.path().join("serve.log"));
    let token = server.log_in().ok().text("refresh_token");
    server.refresh(&token).ok();
    assert!(server.stop().success());
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first.is_ok_and(|text| text.trim().parse::<u16>().is_ok_and(|port| port > 1)) {
        let error = run(command(&["serve", "--listen", "127.0.0.1:1"]), "").failed();
        assert!(
            error.contains("http.listen, or --listen: cannot listen on 127.0.0.1:1"),
            "{error}"
        );
        assert!(error.contains("CAP_NET_BIND_SERVICE"), "{error}");
    }
}

/// An address of this machine that is not loopback. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("203.0.113.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn checklist_82_where_a_proxy_ends_tls_it_alone_is_served_in_clear() {
    let Some(own) = own_address() else {
        return eprintln!("left out: this machine has no address but loopback");
    };
    let home = Home::furnished();
    home.set("issuer", "\"https://id.example.com\"");
    home.set("http.listen", "\"0.0.0.0:0\"");
    let error = home.run(&["serve"]).failed();
    assert!(error.contains("http.plain = \"behind_proxy\""), "{error}");
    home.set("http.plain", "\"behind_proxy\"");
    let error = home.run(&["serve"]).failed();
    assert!(
        error.contains("write the addresses of the proxy that ends TLS as http.trusted_proxies"),
        "{error}"
    );

    home.set("http.trusted_proxies", "[\"203.0.113.0/24\"]");
    let server = home.serve();
    let port = server.address().port();
    let (stranger, loopback) =
        (SocketAddr::new(own, port), SocketAddr::from(([127, 0, 0, 1], port)));
    for path in ["/.well-known/openid-configuration", "/login", "/oauth2/token", "/assets/x", "/"] {
        let answer = ask(stranger, path);
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
        assert!(answer.body.contains("Use its public URL"), "{answer:?}");
        assert_ne!(ask(loopback, path).status, 403, "{path}");
    }
    // Whoever probes may come from anywhere.
    ask(stranger, "/health/ready").ok();
    let log = server.log();
    assert_eq!(log.matches("because it is not from http.trusted_proxies").count(), 1, "{log}");
    server.stop();

    home.set("http.trusted_proxies", &format!("[\"{own}\"]"));
    let server = home.serve();
    let proxy = SocketAddr::new(own, server.address().port());
    let answer = ask(proxy, "/.well-known/openid-configuration").ok();
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    assert_eq!(answer.text("token_endpoint"), "https://id.example.com/oauth2/token");
    let page = ask(proxy, "/login");
    let cookie = page.header("set-cookie").unwrap();
    assert!(cookie.contains("__Host-remint-form-") && cookie.contains("Secure"), "{page:?}");
}

#[test]
fn after_sigterm_it_serves_on_and_is_not_ready_until_the_delay_is_over() {
    let home = Home::furnished();
    home.set("http.shutdown_delay", "\"1h\"");
    let ops = free_address();
    home.set("ops.listen", &format!("\"{ops}\""));
    let mut server = home.serve();
    assert_eq!(server.get("/health/ready").status, 200);
    server.signal(Signal::TERM);
    eventually("it says so", || server.get("/health/ready").status == 503);
    assert_eq!(server.get("/health/ready").body, "not ready: this node is stopping\n");
    assert!(ask(ops, "/health/ready").body.contains("not ready: this node is stopping"));
    ask(ops, "/metrics").ok();
    assert_eq!(server.get("/health/live").status, 200);
    let token = server.log_in().ok().text("refresh_token");
    server.refresh(&token).ok();
    let log = server.log();
    assert!(log.contains("requests are still served for 1h"), "{log}");
    server.signal(Signal::TERM);
    assert!(server.wait().success(), "a second signal ends it at once");
    assert!(!home.file("remint.db-wal").exists(), "in an orderly way");
}

#[test]
fn the_delay_ends_by_itself() {
    let home = Home::furnished();
    home.set("http.shutdown_delay", "\"200ms\"");
    let server = home.serve();
    server.log_in().ok();
    assert!(server.stop().success());
    let log = home.log();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text}: {log}"));
    assert!(at("requests are still served for 200ms") < at("running requests may finish"), "{log}");
}
