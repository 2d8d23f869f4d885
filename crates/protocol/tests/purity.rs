//! The rules are functions from values to decisions: nothing that this crate depends on, and
//! nothing that it takes from the standard library, could read a clock, draw a random number or do
//! input and output.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What a pure crate has no use for: runtimes, servers, databases, clocks, sources of randomness.
/// A name stands for itself and for everything that begins with it and a `-` or `_`.
const IMPURE: &str = "\
    actix async aws-lc axum chrono deadpool diesel fastrand futures getrandom hyper jiff log \
    mio native-tls openssl oorandom postgres r2d2 rand redis remint-cli remint-server \
    remint-store reqwest ring rusqlite rustix rustls sea-orm smol socket2 sqlx tempfile time \
    tokio tower tracing ureq uuid web-time";

/// Traits alone, without any source of randomness; `aes-siv` takes no switch to leave it out.
const PURE: &[&str] = &["rand_core"];

fn is_impure(name: &str) -> bool {
    let belongs = |to: &str| {
        name.strip_prefix(to).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
    };
    !PURE.contains(&name) && IMPURE.split(' ').any(belongs)
}

#[test]
fn no_dependency_could_read_a_clock_or_draw_a_random_number() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "remint-protocol", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let all: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(all[0], "remint-protocol");
    assert!(all.len() > 10 && all.contains(&"aes-siv"), "{all:?}");
    let impure: Vec<_> = all.iter().filter(|name| is_impure(name)).collect();
    assert!(impure.is_empty(), "the rules must not depend on {impure:?}");
}

#[test]
fn names_are_compared_whole() {
    assert!(is_impure("tokio") && is_impure("tokio-util") && is_impure("rand_chacha"));
    assert!(!is_impure("timer") && !is_impure("rand_core") && !is_impure("thiserror"));
}

/// What the standard library has of clocks, randomness, input and output.
const FORBIDDEN: &str = "\
    Instant RandomState HashMap HashSet SystemTime dbg! print! println! std::env std::fs \
    std::io std::os std::process std::thread TcpStream TcpListener UdpSocket ToSocketAddrs";

#[test]
fn the_standard_library_is_asked_for_nothing_impure() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = 0;
    for entry in fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        // Tests may do as they please.
        let rules = text.split("#[cfg(test)]").next().unwrap();
        let code = rules.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let found: Vec<_> = FORBIDDEN.split(' ').filter(|word| line.contains(word)).collect();
            assert!(found.is_empty(), "{}: {found:?} in {line:?}", path.display());
        }
        files += 1;
    }
    assert!(files > 20, "only {files} files were read");
}
