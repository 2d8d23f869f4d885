//! What surrounds a process: its environment, its arguments, and the streams that it writes to.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::home::{Home, client, eventually, remint};
use crate::support::{REMINT, bare};

/// Bytes that are no UTF-8.
fn odd() -> &'static OsStr {
    OsStr::from_bytes(b"\xe9")
}

/// Commands that print, among them every kind of output.
const PRINTING: [&[&str]; 18] = [
    &["--help"],
    &["--version"],
    &["serve", "--help"],
    &["help", "client", "create"],
    &["completions", "bash"],
    &["completions", "zsh"],
    &["completions", "fish"],
    &["completions", "elvish"],
    &["completions", "powershell"],
    &["client", "list"],
    &["client", "show", "shop"],
    &["client", "list", "--json"],
    &["user", "list"],
    &["session", "list"],
    &["key", "list"],
    &["config", "show"],
    &["config", "check"],
    &["token", "explain", "rmrt_nothing"],
];

/// Those that take no installation.
fn is_bare(arguments: &[&str]) -> bool {
    matches!(arguments[0], "--help" | "--version" | "help" | "completions")
        || arguments.contains(&"--help")
}

fn command(home: &Home, arguments: &[&str]) -> Command {
    if is_bare(arguments) {
        let mut command = remint();
        command.args(arguments);
        command
    } else {
        home.command(arguments)
    }
}

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_variable_of_others_may_hold_any_bytes() {
    let home = Home::furnished();
    for arguments in PRINTING {
        let plain = output(&mut command(&home, arguments));
        assert!(plain.status.success(), "{arguments:?}: {plain:?}");
        let mut other = command(&home, arguments);
        for name in [
            "LESSCHARSET",
            "LANG",
            "LC_ALL",
            "TERM",
            "COLUMNS",
            "NO_COLOR",
            "CLICOLOR_FORCE",
            "HOME",
            "USER",
            "RUST_LOG",
            "RUST_BACKTRACE",
            "TOKIO_WORKER_THREADS",
            "NOTIFY_SOCKET",
            "REMINTED",
        ] {
            other.env(name, odd());
        }
        other.env(odd(), "x");
        assert_eq!(text(&output(&mut other).stdout), text(&plain.stdout), "{arguments:?}");
    }
    let server = home.serve_with(|serve| {
        for name in ["LESSCHARSET", "NO_COLOR", "TOKIO_WORKER_THREADS"] {
            serve.env(name, odd());
        }
        serve.env("RUST_MIN_STACK", "x");
    });
    server.log_in().ok();
    assert!(server.stop().success());
    let odd = home.serve_with(|serve| {
        serve.env("TOKIO_WORKER_THREADS", "many");
    });
    odd.log_in().ok();
}

#[test]
fn a_variable_of_ours_that_is_no_text_is_refused_by_name() {
    let home = Home::furnished();
    for arguments in [&["config", "check"][..], &["client", "list"], &["serve"]] {
        for name in ["REMINT_ISSUER", "REMINT_LOG_LEVEL", "REMINT_ANYTHING"] {
            let ran = output(home.command(arguments).env(name, odd()));
            assert_eq!(ran.status.code(), Some(1), "{ran:?}");
            let expected = format!(
                "remint: {name}: the variable is not UTF-8: write it in UTF-8, or unset it\n"
            );
            assert_eq!(text(&ran.stderr), expected, "{arguments:?}");
        }
    }
    let dev = output(remint().args(["serve", "--dev"]).env("REMINT_ISSUER", odd()));
    assert_eq!((dev.status.code(), text(&dev.stderr).contains("REMINT_ISSUER: ")), (Some(1), true));
}

#[test]
fn an_argument_that_is_no_text_is_a_command_line_that_can_not_be_read() {
    let home = Home::furnished();
    for arguments in [&["client", "show"][..], &["user", "show"], &["token", "explain"], &[]] {
        let ran = output(home.command(arguments).arg(odd()));
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}: {ran:?}");
        assert!(text(&ran.stderr).starts_with("error: "), "{ran:?}");
    }
}

/// Runs `remint ARGUMENTS | head -1`, and gives what both wrote and how the first one ended.
fn into_head(home: &Home, arguments: &[&str]) -> (String, String, String) {
    let mut shell = bare("/bin/sh");
    // POSIX shells have no PIPESTATUS: the status goes to a file.
    let status = home.file("status");
    let script = r#"file="$1"; shift; { "$@"; echo $? > "$file"; } | head -1"#;
    shell.arg("-c").arg(script).arg("sh").arg(&status).arg(REMINT).args(arguments);
    if !is_bare(arguments) {
        shell.arg("--data-dir").arg(home.dir());
    }
    let ran = output(&mut shell);
    (text(&ran.stdout), text(&ran.stderr), fs::read_to_string(status).unwrap())
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let home = Home::furnished();
    for arguments in PRINTING {
        let whole = text(&output(&mut command(&home, arguments)).stdout);
        let (line, errors, status) = into_head(&home, arguments);
        assert_eq!(line.lines().next(), whole.lines().next(), "{arguments:?}");
        assert_eq!((&*errors, &*status), ("", "0\n"), "{arguments:?}");
    }
    // A reader that was never there: every write fails.
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(&home, arguments);
        let child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn();
        let ran = child.unwrap().wait_with_output().unwrap();
        assert_eq!(
            (ran.status.code(), text(&ran.stderr)),
            (Some(0), String::new()),
            "{arguments:?}"
        );
    }
}

#[test]
fn what_can_not_be_written_is_said_and_is_a_failure() {
    let home = Home::furnished();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for arguments in PRINTING {
        let mut command = command(&home, arguments);
        let child = command.stdin(Stdio::null()).stdout(full()).stderr(Stdio::piped()).spawn();
        let ran = child.unwrap().wait_with_output().unwrap();
        assert_eq!(ran.status.code(), Some(1), "{arguments:?}: {ran:?}");
        let said = text(&ran.stderr);
        assert!(said.starts_with("remint: cannot write to standard output: "), "{said}");
    }
    // Where both are full there is nobody left to tell.
    for arguments in [&["client", "list"][..], &["client", "show", "nobody"], &["nonsense"]] {
        let mut command = home.command(arguments);
        let status = command.stdin(Stdio::null()).stdout(full()).stderr(full()).status().unwrap();
        assert!(matches!(status.code(), Some(1 | 2)), "{arguments:?}: {status:?}");
    }
}

#[test]
fn closed_streams_make_no_command_panic() {
    let home = Home::furnished();
    for closing in [">&-", "2>&-", "<&-", ">&- 2>&- <&-"] {
        for (arguments, code) in
            [(&["client", "list"][..], 0), (&["client", "show", "nobody"], 1), (&["nonsense"], 2)]
        {
            let mut shell = bare("/bin/sh");
            shell.arg("-c").arg(format!("exec \"$@\" {closing}")).arg("sh").arg(REMINT);
            shell.args(arguments).arg("--data-dir").arg(home.dir());
            let ran = output(&mut shell);
            assert_eq!(ran.status.code(), Some(code), "{arguments:?} {closing}: {ran:?}");
            assert!(!text(&ran.stderr).contains("panicked"), "{ran:?}");
        }
    }
}

/// Ends the process when the test does.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the server said in its log that it is ready.
fn url_in(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    let rest = text.split("the server is ready at ").nth(1)?;
    rest.split(' ').next().map(ToOwned::to_owned)
}

#[test]
fn a_server_whose_ready_line_can_not_be_written_serves_all_the_same() {
    let home = Home::furnished();
    let kept = home.file("kept");
    let kept = kept.to_str().unwrap();
    let dev = ["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", kept];
    for is_dev in [false, true] {
        let log = home.file(&format!("full-{is_dev}.log"));
        let mut command = if is_dev { remint() } else { home.command(&["serve"]) };
        if is_dev {
            command.args(dev);
        }
        let full = File::options().write(true).open("/dev/full").unwrap();
        command.stdin(Stdio::null()).stdout(full).stderr(File::create(&log).unwrap());
        let mut server = Ended(command.spawn().unwrap());
        eventually("it says where it listens", || url_in(&log).is_some());
        let url = url_in(&log).unwrap();
        if url.starts_with("http:") {
            client().get(&format!("{url}/health/live"), &[]).unwrap().ok();
        }
        assert!(server.0.try_wait().unwrap().is_none(), "it goes on");
    }
}

#[test]
fn a_server_whose_log_can_not_be_written_serves_all_the_same() {
    let home = Home::furnished();
    home.set("log.level", "\"debug\"");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = home.command(&["serve"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(full);
    let mut server = Ended(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.split(" is ready at ").nth(1).unwrap().split(' ').next().unwrap();
    for _ in 0..20 {
        client().get(&format!("{url}/health/live"), &[]).unwrap().ok();
    }
    assert!(server.0.try_wait().unwrap().is_none(), "it goes on");
}

#[test]
fn a_secret_loses_its_line_end_and_nothing_else() {
    let home = Home::furnished();
    let server = home.serve();
    for (written, secret) in [
        ("a b \n", "a b "),
        ("abc\r\n", "abc"),
        ("abc", "abc"),
        ("\u{a0}abc\u{2000}\n", "\u{a0}abc\u{2000}"),
        ("\tabc\n\n", "\tabc"),
    ] {
        home.run_with(&["client", "rotate-secret", "shop", "--secret-stdin"], written).ok();
        let encoded: String = secret.bytes().map(|b| format!("%{b:02x}")).collect();
        eventually("the secret works", || {
            let form = [("grant_type", "client_credentials")];
            let answer = server.try_post_as(&format!("shop:{encoded}"), "/oauth2/token", &form);
            answer.is_some_and(|answer| answer.status == 200)
        });
    }
    let rotate = ["client", "rotate-secret", "shop", "--secret-stdin"];
    let long = "x".repeat(70_000);
    for (written, said) in [
        ("", "has no client secret"),
        ("\n", "has no"),
        ("a\0b\n", "has a NUL in it"),
        (&*long, "longer than"),
    ] {
        let error = home.run_with(&rotate, written).failed();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn arguments_that_are_numbers_have_no_sign_either() {
    let home = Home::furnished();
    for (arguments, value) in [
        (&["key", "activate"][..], "+1"),
        (&["key", "retire"], "+1"),
        (&["session", "list", "--limit"], "+5"),
        (&["session", "list", "--limit"], "\u{a0}5"),
        (&["store", "epoch", "bump", "--above"], "+1"),
        (&["client", "update", "shop", "--grace-period"], "+5"),
        (&["client", "rotate-secret", "shop", "--keep-old"], "+5"),
    ] {
        let ran = home.run(&[arguments, &[value]].concat());
        assert_eq!(ran.status.code(), Some(2), "{arguments:?} {value}: {ran:?}");
        assert!(ran.stderr.contains("write a"), "{ran:?}");
    }
    home.run(&["session", "list", "--limit", "5"]).ok();
    let port = output(remint().args(["import", "wso2-config", "x", "--port", "+80"]));
    assert_eq!(port.status.code(), Some(2), "{port:?}");
}

#[test]
fn numbers_and_times_have_no_sign_and_no_odd_white_space() {
    let home = Home::furnished();
    for (name, value) in [
        ("REMINT_HTTP_MAX_CONNECTIONS", "+5"),
        ("REMINT_HTTP_MAX_CONNECTIONS", " 5"),
        ("REMINT_HTTP_MAX_CONNECTIONS", "5\u{a0}"),
        ("REMINT_TOKENS_GRACE_PERIOD", "+5"),
        ("REMINT_TOKENS_GRACE_PERIOD", "5\u{2000}s"),
        ("REMINT_TOKENS_GRACE_PERIOD", "\t5s"),
        ("REMINT_PASSWORDS_MEMORY", "+8MiB"),
        ("REMINT_PASSWORDS_MEMORY", "8\u{a0}MiB"),
        ("REMINT_HTTP_LISTEN", "127.0.0.1:+80"),
        ("REMINT_LOG_LEVEL", "info\n"),
        ("REMINT_TOKENS_RENEW_REFRESH_TOKEN", "true "),
    ] {
        let ran = output(home.command(&["config", "check"]).env(name, value));
        assert_eq!(ran.status.code(), Some(1), "{name}={value:?}: {ran:?}");
        assert!(text(&ran.stderr).contains(name), "{ran:?}");
    }
    for (name, value) in [
        ("REMINT_TOKENS_GRACE_PERIOD", "1m 5s"),
        ("REMINT_PASSWORDS_MEMORY", "8 MiB"),
        ("REMINT_HTTP_MAX_CONNECTIONS", "005"),
    ] {
        let ran = output(home.command(&["config", "check"]).env(name, value));
        assert!(ran.status.success(), "{name}={value:?}: {ran:?}");
    }
}

#[test]
fn a_configuration_that_is_no_text_is_said_to_be_none() {
    let home = Home::furnished();
    let file = home.file("remint.toml");
    let good = fs::read(&file).unwrap();
    let windows = String::from_utf8(good.clone()).unwrap().replace('\n', "\r\n");
    fs::write(&file, format!("\u{feff}{windows}")).unwrap();
    home.run(&["client", "list"]).ok();
    fs::write(&file, [&b"# \xe9\n"[..], &good].concat()).unwrap();
    let error = home.run(&["client", "list"]).failed();
    assert!(error.contains("remint.toml") && error.contains("UTF-8"), "{error}");
    let wide: Vec<u8> =
        String::from_utf8(good).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&file, [&[0xff, 0xfe][..], &wide].concat()).unwrap();
    assert!(home.run(&["client", "list"]).failed().contains("UTF-8"));
}
