//! What `config check` and the start say of settings that do not fit: one row for each finding.

use std::fs;
use std::io::BufRead as _;
use std::path::Path;

use crate::home::{Home, remint, run};

/// A configuration of which nothing is to be said, behind a proxy on the same machine.
const BEHIND: &str = "issuer = \"https://id.example.com\"\n\
    http.listen = \"127.0.0.1:9763\"\nhttp.plain = true\nhttp.trusted_proxies = [\"127.0.0.1\"]\n";

/// What is written beside the default of `init`, and the sentence that comes of it.
const ROWS: [(&str, &str); 32] = [
    // The issuer and the listener.
    (
        "issuer = \"https://localhost:9543\"",
        "issuer is https://localhost:9543, so clients connect to port 9543, but http.listen is localhost:9443: write that port in one of the two",
    ),
    (
        "issuer = \"https://id.example.com\"\nhttp.listen = \"0.0.0.0:9443\"",
        "issuer is https://id.example.com, so clients connect to port 443, but http.listen is 0.0.0.0:9443",
    ),
    (
        "issuer = \"https://id.example.com\"\nhttp.listen = \"127.0.0.1:443\"",
        "issuer is https://id.example.com, but http.listen is 127.0.0.1:443, which only this machine reaches: write http.listen = \"0.0.0.0:443\"",
    ),
    (
        "issuer = \"https://id.example.com\"\nhttp.listen = \"0.0.0.0:443\"",
        "there is no http.certificate, and nobody trusts the self-signed one that stands in for it: write http.certificate and http.private_key",
    ),
    (
        "http.listen = \"0.0.0.0:9443\"",
        "issuer is https://localhost:9443, which means another machine to everybody else, but http.listen is 0.0.0.0:9443: write the URL under which clients reach this server",
    ),
    (
        "http.listen = \"localhost:0\"",
        "http.listen is localhost:0: the system chooses another port at each start",
    ),
    (
        "issuer = \"https://0.0.0.0:9443\"\nhttp.listen = \"0.0.0.0:9443\"",
        "issuer is https://0.0.0.0:9443, which is no address that anybody can connect to",
    ),
    (
        "issuer = \"https://LOCALHOST:9443\"",
        "with capital letters in its host, which browsers and many clients write small: write them small",
    ),
    (
        "issuer = \"https://localhost:443\"\nhttp.listen = \"localhost:443\"",
        "with the port that its scheme has anyway, which many clients leave out: leave it out",
    ),
    (
        "issuer = \"http://localhost:9443\"",
        "issuer is a plain http URL: fine on this machine, not beyond it",
    ),
    // The operators' listener.
    (
        "ops.listen = \"0.0.0.0:9464\"",
        "ops.listen is 0.0.0.0:9464, which is open to whoever reaches this machine, in clear and without a password: write ops.listen = \"127.0.0.1:9464\"",
    ),
    ("ops.listen = \"[::]:9464\"", "ops.listen is [::]:9464, which is open to whoever"),
    ("ops.listen = \"8.8.8.8:9464\"", "ops.listen is 8.8.8.8:9464, which is open to whoever"),
    // Proxies.
    (
        "http.trusted_proxies = [\"0.0.0.0/0\"]",
        "http.trusted_proxies has 0.0.0.0/0: whoever connects from there writes the address",
    ),
    ("http.trusted_proxies = [\"127.0.0.1\", \"::/0\"]", "http.trusted_proxies has ::/0: whoever"),
    (
        "http.trusted_proxies = [\"::ffff:0.0.0.0/96\"]",
        "http.trusted_proxies has 0.0.0.0/0: whoever",
    ),
    (
        "http.plain = true",
        "http.plain is on and http.trusted_proxies is empty: behind a proxy all clients come from one address",
    ),
    (
        "http.trusted_proxies = [\"127.0.0.1\"]\nhttp.idle_timeout = \"30s\"",
        "http.idle_timeout is \"30s\", and most load balancers keep idle connections for 60 seconds",
    ),
    // Passwords.
    (
        "passwords.memory = \"8MiB\"",
        "passwords.memory is \"8MiB\" and passwords.iterations is 2, less than OWASP's least for argon2id: write \"19MiB\" and 2",
    ),
    ("passwords.iterations = 1", "less than OWASP's least for argon2id"),
    // Lifetimes.
    (
        "tokens.access_token_lifetime = \"2d\"",
        "tokens.access_token_lifetime is \"2d\": resource servers that check tokens themselves",
    ),
    (
        "tokens.id_token_lifetime = \"30d\"",
        "tokens.id_token_lifetime is \"30d\": it says that somebody has just signed in",
    ),
    (
        "tokens.refresh_token_lifetime = \"7300d\"\ntokens.refresh_token_max_lifetime = \"none\"",
        "tokens.refresh_token_lifetime is \"7300d\": what is lost or forgotten stays usable",
    ),
    (
        "tokens.refresh_token_max_lifetime = \"7300d\"",
        "tokens.refresh_token_max_lifetime is \"7300d\"",
    ),
    (
        "sessions.idle_lifetime = \"400d\"\nsessions.absolute_lifetime = \"800d\"",
        "sessions.idle_lifetime is \"400d\": what is lost",
    ),
    (
        "sessions.absolute_lifetime = \"7300d\"",
        "sessions.absolute_lifetime is \"7300d\": what is lost",
    ),
    (
        "sessions.idle_lifetime = \"30d\"",
        "sessions.idle_lifetime is \"30d\", longer than sessions.absolute_lifetime (\"7d\")",
    ),
    (
        "signing.rotate_every = \"7300d\"",
        "signing.rotate_every is \"7300d\": a key that signs for as long",
    ),
    // The rules of tokens.
    (
        "tokens.renew_refresh_token = false",
        "tokens.renew_refresh_token is off: public clients still get a new refresh token",
    ),
    (
        "tokens.renew_refresh_token = false\ntokens.revoke_access_token_on_refresh = true",
        "tokens.revoke_access_token_on_refresh has no effect on confidential clients",
    ),
    (
        "tokens.on_reuse = \"deny\"",
        "tokens.on_reuse is \"deny\": a stolen refresh token that is noticed does not end the session",
    ),
    // The store.
    (
        "store.url = \"postgres://remint@10.0.0.9/remint?sslmode=disable\"",
        "names and hashes cross the network in clear",
    ),
];

/// Writes keys with their whole names at the head of a configuration that has nothing else.
fn write(home: &Home, keys: &str) {
    fs::write(home.file("remint.toml"), format!("{keys}\n")).unwrap();
}

/// What `config check` says: whether it is good, and what it found.
fn check(home: &Home) -> (bool, String) {
    let text = home.run(&["config", "check"]).ok().stdout;
    let json = home.json(&["config", "check"]);
    let is_good = text == "The configuration is good.\n";
    let found = json["warnings"].as_array().unwrap().len();
    assert_eq!(json["config"], if is_good { "good" } else { "usable" }, "{text}");
    assert_eq!(found, text.lines().filter(|line| line.starts_with("- ")).count(), "{text}");
    assert_eq!(found == 0, is_good, "{text}");
    (is_good, text)
}

#[test]
fn whatever_can_be_seen_not_to_fit_is_said_with_what_to_do() {
    let home = Home::new();
    for good in ["", BEHIND, "http.listen = \"localhost:9443\"\nops.listen = \"10.0.0.5:9464\""] {
        write(&home, good);
        assert_eq!(check(&home), (true, "The configuration is good.\n".into()), "{good}");
    }
    for (keys, sentence) in ROWS {
        write(&home, keys);
        let (is_good, text) = check(&home);
        assert!(!is_good && text.contains(sentence), "{keys}: {text}");
        let found = text.lines().filter(|line| line.contains(sentence));
        assert_eq!(found.count(), 1, "{keys}: {text}");
    }
}

/// What the start logs before it listens, or is refused.
fn start(home: &Home, keys: &str) -> String {
    write(home, &format!("{keys}\nops.listen = \"off\""));
    let log = home.file("serve.log");
    let _ = fs::remove_file(&log);
    home.serve().stop();
    home.log()
}

#[test]
fn the_start_says_what_config_check_says() {
    let home = Home::new();
    for (keys, sentence) in [
        ("http.listen = \"localhost:0\"\npasswords.memory = \"8MiB\"", "less than OWASP's least"),
        (
            "http.listen = \"localhost:0\"\ntokens.access_token_lifetime = \"2d\"",
            "access_token_lifetime is",
        ),
        (
            "issuer = \"https://id.example.com\"\nhttp.listen = \"localhost:0\"",
            "which only this machine reaches",
        ),
    ] {
        let log = start(&home, keys);
        assert!(log.contains("WARN") && log.contains(sentence), "{keys}: {log}");
    }
}

/// Starts a server that does not come up, and gives its sentence.
fn refused(home: &Home, keys: &str) -> String {
    write(home, keys);
    let error = home.run(&["serve"]).failed();
    assert!(!error.contains("Error {") && !error.contains("os error 98"), "{error}");
    error
}

#[test]
fn an_address_that_cannot_be_listened_on_names_the_setting_and_the_flag() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error =
        refused(&home, &format!("http.listen = \"127.0.0.1:{port}\"\nops.listen = \"off\""));
    for part in ["http.listen, or --listen: cannot listen on 127.0.0.1:", "has this port already"] {
        assert!(error.contains(part), "{error}");
    }
    let error = refused(
        &home,
        &format!("http.listen = \"127.0.0.1:0\"\nops.listen = \"127.0.0.1:{port}\""),
    );
    assert!(error.contains("ops.listen: cannot listen on 127.0.0.1:"), "{error}");
    let error = refused(&home, "http.listen = \"198.51.100.1:9443\"\nops.listen = \"off\"");
    assert!(error.contains("this machine does not have that address"), "{error}");
    let nowhere = "http.listen = \"no-such-host.invalid:9443\"\nops.listen = \"off\"";
    let error = refused(&home, nowhere);
    assert!(
        error.contains("http.listen, or --listen: no-such-host.invalid:9443 has no address"),
        "{error}"
    );
    let error = home.run(&["config", "check"]).failed();
    assert!(error.contains("http.listen: no-such-host.invalid:9443 has no address"), "{error}");
    let error = refused(&home, "http.listen = \"127.0.0.1:9443\"\nops.listen = \"localhost:9443\"");
    assert!(error.contains("remint.toml:2: ops.listen"), "{error}");
    assert!(error.contains("http.listen has that port already"), "{error}");
}

#[test]
fn init_makes_a_server_that_is_reached_at_its_issuer() {
    for (issuer, listen, plain) in [
        ("https://localhost:9543", "localhost:9543", "false"),
        ("https://127.0.0.1:9543", "127.0.0.1:9543", "false"),
        ("https://[::1]:9543", "[::1]:9543", "false"),
        ("https://id.localhost", "localhost:443", "false"),
        ("http://localhost:9080", "localhost:9080", "true"),
        ("https://id.example.com", "0.0.0.0:443", "false"),
        ("https://id.example.com:8443/auth", "0.0.0.0:8443", "false"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let command = |arguments: &[&str]| {
            let mut command = remint();
            command.args(arguments).arg("--data-dir").arg(dir.path().join("data"));
            run(command, "").ok()
        };
        let said = command(&["init", "--issuer", issuer]).stdout;
        assert!(said.contains("remint config check"), "{said}");
        let shown = command(&["config", "show", "--json"]).json();
        let value = |key: &str| {
            let all = shown.as_array().unwrap();
            all.iter().find(|one| one["key"] == key).unwrap()["value"].as_str().unwrap().to_owned()
        };
        assert_eq!(value("http.listen"), format!("\"{listen}\""), "{issuer}");
        assert_eq!(value("http.plain"), plain, "{issuer}");
        let text = fs::read_to_string(dir.path().join("data/remint.toml")).unwrap();
        assert!(text.contains("`remint init` chose this for the issuer"), "{text}");
        let checked = command(&["config", "check"]).stdout;
        for unfit in ["so clients connect to port", "which only this machine reaches"] {
            assert!(!checked.contains(unfit), "{issuer}: {checked}");
        }
    }
    let mut command = remint();
    let dir = tempfile::tempdir().unwrap();
    command.args(["init", "--issuer", "id.example.com", "--data-dir"]).arg(dir.path().join("data"));
    let error = run(command, "").failed();
    assert!(error.contains("--issuer id.example.com: write an https URL"), "{error}");
    assert!(!Path::new(&dir.path().join("data")).exists());
}

#[test]
fn variables_of_orchestrators_stop_neither_server_nor_commands() {
    let home = Home::furnished();
    let variables = [
        ("REMINT_STORE_PORT", "tcp://10.43.0.7:5432"),
        ("REMINT_STORE_SERVICE_HOST", "10.43.0.7"),
        ("REMINT_LOG_PORT_443_TCP_ADDR", "10.43.0.8"),
        ("REMINT_BRAND_SERVICE_PORT_HTTPS", "443"),
        ("REMINT_DATA_PORT", "udp://10.43.0.9:53"),
    ];
    let mut command = home.command(&["client", "list"]);
    command.envs(variables);
    run(command, "").ok();
    home.serve_with(|command| {
        command.envs(variables);
    })
    .log_in()
    .ok();
    let mut command = home.command(&["serve"]);
    command.env("REMINT_STORE_PORT", "5432");
    let error = run(command, "").failed();
    assert!(
        error.contains("REMINT_STORE_PORT: there is no such variable; did you mean REMINT_"),
        "{error}"
    );
    let lines = std::io::BufReader::new(error.as_bytes()).lines().count();
    assert_eq!(lines, 1, "{error}");
}

#[test]
fn a_development_server_has_nothing_to_say_wherever_it_listens() {
    for listen in ["localhost:0", "127.0.0.1:0"] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = remint();
        command.args(["serve", "--dev", "--listen", listen]).env("REMINT_OPS_LISTEN", "off");
        let log = dir.path().join("log");
        assert!(crate::home::Server::start(command, &log).stop().success());
        let text = fs::read_to_string(log).unwrap();
        assert!(!text.contains("WARN"), "{listen}: {text}");
    }
}
