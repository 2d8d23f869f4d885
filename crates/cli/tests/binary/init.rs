//! `remint init`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::home::{Home, remint, run};

#[test]
fn init_makes_a_configuration_keys_and_a_database_that_others_can_not_read() {
    let home = Home::new();
    let mode = |name| fs::metadata(home.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("remint.keys"), 0o600);
    assert_eq!(mode("remint.db"), 0o600);
    assert_eq!(mode("remint.toml"), 0o640);
    assert_eq!(mode(""), 0o700);
    assert!(home.file("remint.db").exists());
    let text = fs::read_to_string(home.file("remint.toml")).unwrap();
    assert!(text.contains("\n# grace_period = \"0s\"\n"), "{text}");
}

#[test]
fn init_overwrites_nothing() {
    let home = Home::new();
    let before = fs::read(home.file("remint.keys")).unwrap();
    let error = home.run(&["init"]).failed();
    assert!(error.contains("remint.toml is there already; nothing was changed"), "{error}");
    fs::remove_file(home.file("remint.toml")).unwrap();
    let error = home.run(&["init"]).failed();
    assert!(error.contains("remint.keys is there already"), "{error}");
    assert_eq!(fs::read(home.file("remint.keys")).unwrap(), before);
    assert!(!home.file("remint.toml").exists());
}

#[test]
fn a_command_without_an_installation_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in
        [vec!["serve"], vec!["client", "list"], vec!["user", "list"], vec!["config", "check"]]
    {
        let mut command = remint();
        command.args(&arguments).current_dir(dir.path());
        let error = run(command, "").failed();
        assert!(error.contains("run `remint init` first"), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn every_command_has_help_and_the_groups_have_examples() {
    for (arguments, part) in [
        (vec!["--help"], "remint serve --dev"),
        (vec!["init", "--help"], "Examples:"),
        (vec!["serve", "--help"], "Examples:"),
        (vec!["client", "create", "--help"], "--token-endpoint-auth-method"),
        (vec!["client", "update", "--help"], "--renew-refresh-token"),
        (vec!["client", "rotate-secret", "--help"], "--keep-old"),
        (vec!["user", "create", "--help"], "--password-stdin"),
        (vec!["session", "revoke", "--help"], "Examples:"),
        (vec!["token", "explain", "--help"], "Example:"),
        (vec!["config", "show", "--help"], "--json"),
        (vec!["import", "wso2-config", "--help"], "Example:"),
        (vec!["completions", "--help"], "Example:"),
    ] {
        let mut command = remint();
        command.args(&arguments);
        let help = run(command, "").ok().stdout;
        assert!(help.contains(part), "{arguments:?}: {help}");
    }
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let mut command = remint();
        command.args(["completions", shell]);
        let script = run(command, "").ok().stdout;
        assert!(script.contains("rotate-secret"), "{shell}");
    }
}
