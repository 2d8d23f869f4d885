//! The audit trail of commands: one line for each change, and none for a look.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use remint::audit::COMMANDS;
use serde_json::Value;

use crate::home::{Home, PASSWORD, Ran, run};
use crate::signed_in::{HERE, Pages};
use crate::support::bare;

/// Every command that does something by itself, as `client create`.
fn commands() -> Vec<String> {
    fn walk(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let mut subcommands =
            command.get_subcommands().filter(|c| c.get_name() != "help").peekable();
        if subcommands.peek().is_none() {
            found.push(path.to_owned());
        }
        for subcommand in subcommands {
            walk(subcommand, format!("{path} {}", subcommand.get_name()).trim(), found);
        }
    }
    let mut found = Vec::new();
    walk(&remint::command(), "", &mut found);
    found
}

/// The audit's lines that a command wrote.
fn told(ran: &Ran) -> Vec<Value> {
    let lines = ran.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "audit").collect()
}

/// An installation with something of every kind in it, whose log is JSON.
fn furnished() -> (Home, Pages) {
    let home = Home::furnished();
    home.set("log.format", "\"json\"");
    let pages = Pages::of(&home);
    pages.sign_in(HERE, "Browser/1.0");
    pages.consent("shop", "a");
    (home, pages)
}

#[test]
fn every_command_says_what_it_changes_or_that_it_only_looks() {
    let known: Vec<_> = COMMANDS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(known, commands());
    for (path, events) in COMMANDS {
        for event in *events {
            assert!(event.is_audit, "{path}: {}", event.name);
        }
    }
}

#[test]
fn every_change_by_a_command_leaves_one_line_that_says_who_made_it_on_what() {
    let all: BTreeSet<_> =
        COMMANDS.iter().flat_map(|(_, events)| *events).map(|event| event.name).collect();
    let (home, pages) = furnished();
    let alice = format!("user:{}", pages.alice);
    let consent = format!("consent:{}:shop", pages.alice);
    let browser = format!("browser_session:{}", HERE.sid());
    let (backup, other) = (home.file("backup.db"), home.file("other.db"));
    // In this order: the later ones end what the earlier ones need. Event and object for each line.
    let rows = format!(
        "user create --username bob --password-stdin > user.created user:usr_
         user update alice --name A                  > user.updated {alice}
         user disable alice                          > user.disabled {alice}
         user enable alice                           > user.enabled {alice}
         client create --id new --grant password     > client.created client:new
         client update new --name N                  > client.updated client:new
         client rotate-secret new                    > client.secret_rotated client:new
         consent revoke --user alice                 > consent.revoked {consent}
         session revoke --browser {sid}              > sessions.revoked {browser}
         session revoke --user alice                 > sessions.revoked {alice}
         session revoke --client shop                > sessions.revoked client:shop
         session revoke --all                        > sessions.revoked sessions
         user set-password alice --password-stdin    > user.password_set {alice}
         key rotate --alg ES256                      > signing_keys.rotated signing_keys:ES256
         key rotate --alg ES256 --now --withdraw     > signing_keys.rotated signing_keys:ES256 \
                                                       signing_keys.withdrawn signing_keys:ES256
         key add                                     > root_key.added root_key:2
         key activate 2                              > root_key.activated root_key:2
         key retire 1 --force                        > root_key.retired root_key:1
         store epoch bump                            > store.epoch_bumped store
         store backup {backup}                       > store.backed_up store
         store copy --to sqlite:{other}              > store.copied store
         client delete new                           > client.deleted client:new
         user delete alice                           > user.deleted {alice}",
        sid = HERE.sid(),
        backup = backup.display(),
        other = other.display(),
    );
    // The first is made by no installation, the other where a schema is old: both have tests of their own.
    let mut seen = BTreeSet::from(["installation.created", "schema.migrated"]);
    for row in rows.lines() {
        let (command, expected) = row.split_once('>').unwrap();
        let arguments: Vec<_> = command.split_whitespace().collect();
        let expected: Vec<_> = expected.split_whitespace().collect();
        let ran = home.run_with(&arguments, "through the looking glass").ok();
        let lines = told(&ran);
        assert_eq!(lines.len(), expected.len() / 2, "{command}: {ran:?}");
        for (line, pair) in lines.iter().zip(expected.chunks(2)) {
            let (event, on) = (pair[0], pair[1]);
            let text = |name: &str| line[name].as_str().unwrap_or_default();
            assert_eq!((text("event"), text("level")), (event, "INFO"), "{line}");
            assert!(text("on").starts_with(on), "{line}");
            assert_eq!((text("outcome"), text("source")), ("done", "local"), "{line}");
            let account = text("actor").strip_prefix("operator:").unwrap_or_default();
            assert!(!account.is_empty(), "{line}");
            // Whoever looks for a user or a client finds this, too.
            let sub = text("on").split(':').find(|part| part.starts_with("usr_"));
            assert_eq!(line["sub"].as_str(), sub, "{line}");
            assert!(!ran.stderr.contains("looking glass"), "{ran:?}");
            seen.insert(all.iter().copied().find(|known| *known == event).unwrap());
        }
    }
    assert_eq!(seen, all, "an event that no command was seen to leave");
}

#[test]
fn a_look_leaves_no_line_and_neither_does_what_was_not_tried() {
    let (home, _pages) = furnished();
    for looks in [
        &["client", "list"][..],
        &["client", "show", "shop"],
        &["user", "list"],
        &["user", "show", "alice"],
        &["session", "list"],
        &["session", "browsers", "alice"],
        &["consent", "list", "--user", "alice"],
        &["logout", "list"],
        &["key", "list"],
        &["store", "epoch", "show"],
        &["store", "status"],
        &["config", "check"],
        &["config", "show"],
        &["migrate"],
    ] {
        let ran = home.run(looks).ok();
        assert_eq!(told(&ran), Vec::<Value>::new(), "{looks:?}");
    }
    for refused in [
        &["user", "delete", "nobody"][..],
        &["key", "retire", "1"],
        &["client", "update", "nobody"],
    ] {
        let ran = home.run(refused);
        assert!(!ran.status.success() && told(&ran).is_empty(), "{ran:?}");
    }
}

#[test]
fn a_change_that_was_tried_and_not_made_says_so() {
    let (home, pages) = furnished();
    let ran =
        home.run_with(&["user", "create", "--username", "alice", "--password-stdin"], PASSWORD);
    assert!(!ran.status.success());
    let lines = told(&ran);
    assert_eq!((lines.len(), &lines[0]["outcome"]), (1, &Value::from("failed")), "{ran:?}");
    assert!(ran.stderr.ends_with("remint: there is a user alice already\n"), "{ran:?}");
    // Nothing of the user that is there.
    assert_ne!(lines[0]["sub"], pages.alice.to_string());
}

#[test]
fn a_server_tells_of_changes_in_the_same_form() {
    let (home, pages) = furnished();
    let server = home.serve();
    let token = server.log_in().ok().text("refresh_token");
    server.post("/oauth2/revoke", &[("token", &token)]).ok();
    let log = server.log();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<_> = lines.filter(|line| line["target"] == "audit").collect();
    let [started, revoked] = lines.as_slice() else { panic!("{lines:?}") };
    let who = |line: &Value| (line["event"].clone(), line["actor"].clone());
    let alice = format!("user:{}", pages.alice);
    assert_eq!(who(started), ("session.started".into(), alice.into()));
    assert_eq!(who(revoked), ("token.revoked".into(), "client:shop".into()));
    assert_eq!(started["on"], revoked["on"]);
    assert!(started["on"].as_str().unwrap().starts_with("session:ses_"));
}

/// The command of the guide, as it stands there, and what it shows.
#[test]
fn the_guide_finds_what_the_server_told_of() {
    let guide = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (_, chapter) = guide.split_once("### Audit\n").unwrap();
    let search = chapter.split_once("```sh\n").unwrap().1.split_once("```").unwrap().0;
    let home = Home::furnished();
    let server = home.serve();
    server.log_in().ok();
    assert!(server.stop().success());
    let mut shell = bare("/bin/sh");
    shell.arg("-c").arg(search).current_dir(home.dir());
    let found = run(shell, "").ok().stdout;
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(found.contains("INFO audit: event=\"session.started\" actor=user:usr_"), "{found}");
    // The example of a command is what the command says.
    let (_, example) = chapter.split_once("event=\"client.secret_rotated\"").unwrap();
    let (_, shown) = example.lines().next().unwrap().split_once(" on=").unwrap();
    let said = home.run(&["client", "rotate-secret", "shop"]).ok().stderr;
    assert!(said.contains(&format!(" on={}", shown.replace("web", "shop"))), "{said}");
}

#[test]
fn the_lines_are_in_the_format_of_the_log_and_there_at_any_level() {
    let home = Home::furnished();
    home.set("log.level", "\"error\"");
    let ran = home.run(&["user", "disable", "alice"]).ok();
    let line =
        ran.stderr.lines().find(|line| line.contains(" INFO audit: event=\"user.disabled\""));
    assert!(line.is_some_and(|line| line.contains(" on=user:usr_")), "{ran:?}");
    let init = home.file("new").display().to_string();
    let mut command = crate::home::remint();
    command.args(["init", "--data-dir", &init]);
    let ran = run(command, "").ok();
    assert!(ran.stderr.contains("event=\"installation.created\""), "{ran:?}");
    assert!(ran.stderr.contains("outcome=\"done\""), "{ran:?}");
}
