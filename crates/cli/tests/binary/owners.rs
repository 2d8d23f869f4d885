//! Whose files are whose: a server that is not root, commands that root runs on its files, and secrets that
//! others could read.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::home::{Home, Server, eventually, run};
use crate::support::{CREATE_ALICE, CREATE_SHOP, PASSWORD, REMINT, SECRET, bare};

/// A user and a group that nobody is.
const USER: u32 = 64_242;
const GROUP: u32 = 64_343;

/// Whether users can be told apart here: only root can give files away and become another user.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("left out: only root can try what another user may do");
    }
    is_root
}

/// An installation of another user, and the executable where that user can run it.
struct Theirs {
    home: Home,
    executable: PathBuf,
}

impl Theirs {
    fn new() -> Self {
        let home = Home::furnished();
        let root = home.dir().parent().unwrap().to_owned();
        let executable = root.join("remint");
        if fs::hard_link(REMINT, &executable).is_err() {
            fs::copy(REMINT, &executable).unwrap();
        }
        let theirs = Self { home, executable };
        chown(root, Some(USER), Some(GROUP)).unwrap();
        theirs.give(&theirs.home.dir());
        theirs
    }

    fn give(&self, path: &Path) {
        let owner = format!("{USER}:{GROUP}");
        let given = bare("chown").args(["-R", &owner]).arg(path).status().unwrap();
        assert!(given.success(), "{}", self.home.dir().display());
    }

    /// A command that the other user runs.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare("setpriv");
        command.arg(format!("--reuid={USER}")).arg(format!("--regid={GROUP}"));
        command.arg("--clear-groups").arg(&self.executable).args(arguments);
        command.arg("--data-dir").arg(self.home.dir());
        command
    }

    fn serve(&self) -> Server {
        Server::start(self.command(&["serve"]), &self.home.file("serve.log"))
    }

    /// Whose the files in the data directory are, but for the log that the test itself writes.
    fn owners(&self) -> Vec<(String, u32, u32)> {
        let all = fs::read_dir(self.home.dir()).unwrap().map(|entry| entry.unwrap());
        let all = all.filter(|entry| entry.file_name() != "serve.log");
        let all = all.map(|entry| {
            let metadata = fs::symlink_metadata(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), metadata.uid(), metadata.gid())
        });
        all.collect()
    }

    #[track_caller]
    fn all_are_theirs(&self) {
        for (file, owner, group) in self.owners() {
            assert_eq!((owner, group), (USER, GROUP), "{file}");
        }
    }
}

#[test]
fn root_changes_the_keys_of_a_server_that_is_not_root_and_the_file_stays_its() {
    if !is_root() {
        return;
    }
    let theirs = Theirs::new();
    let (home, file) = (&theirs.home, theirs.home.file("remint.keys"));
    let server = theirs.serve();
    let token = server.log_in().ok().text("refresh_token");
    for command in [["key", "add"].as_slice(), &["key", "activate", "2"]] {
        home.run(command).ok();
        let metadata = fs::metadata(&file).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (USER, GROUP), "{command:?}");
        assert_eq!(metadata.mode() & 0o7777, 0o600, "{command:?}");
    }
    eventually("the key is taken up", || {
        home.json(&["session", "list"]).as_array().unwrap().len() == 1
            && server.log_in().ok().text("refresh_token") != token
            && server.get("/health/ready").status == 200
    });
    home.run(&["key", "retire", "1", "--force"]).ok();
    assert!(server.stop().success());
    theirs.all_are_theirs();
    let server = theirs.serve();
    assert_eq!(server.get("/health/ready").status, 200);
}

#[test]
fn a_key_file_behind_a_symbolic_link_is_changed_where_it_is() {
    let home = Home::furnished();
    let elsewhere = home.dir().parent().unwrap().join("secrets");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(home.file("remint.keys"), elsewhere.join("keys")).unwrap();
    symlink(elsewhere.join("keys"), home.file("remint.keys")).unwrap();
    home.run(&["key", "add"]).ok();
    assert!(fs::symlink_metadata(home.file("remint.keys")).unwrap().is_symlink());
    assert!(fs::read_to_string(elsewhere.join("keys")).unwrap().contains("kid = 2"));
    assert_eq!(fs::metadata(elsewhere.join("keys")).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn keys_that_are_added_at_once_are_all_there() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| home.run(&["key", "add"]).ok());
        }
    });
    let text = fs::read_to_string(home.file("remint.keys")).unwrap();
    for kid in 1..=5 {
        assert!(text.contains(&format!("kid = {kid}\n")), "{kid} in {}", text.len());
    }
    let listed = home.json(&["key", "list"]);
    let roots = listed.as_array().unwrap().iter().filter(|key| key["kind"] == "root");
    assert!(
        roots.clone().count() == 5 && roots.clone().all(|key| key["here"] == "yes"),
        "{listed}"
    );
}

#[test]
fn commands_of_root_leave_nothing_that_a_stopped_server_could_not_open() {
    if !is_root() {
        return;
    }
    let theirs = Theirs::new();
    let home = &theirs.home;
    for command in [["client", "list"], ["session", "list"], ["key", "list"], ["store", "status"]] {
        home.run(&command).ok();
        theirs.all_are_theirs();
    }
    home.run_with(&["user", "create", "--username", "bob", "--password-stdin"], "x-y-z-1").ok();
    theirs.all_are_theirs();
    // After a crash, when the log is there.
    let server = theirs.serve();
    server.log_in().ok();
    server.kill();
    fs::remove_file(home.file("remint.db-shm")).unwrap();
    home.run(&["session", "list"]).ok();
    theirs.all_are_theirs();
    // Root tries the server out.
    home.serve().stop();
    theirs.all_are_theirs();
    theirs.serve().log_in().ok();
}

#[test]
fn what_root_makes_in_the_directory_of_a_user_is_that_users() {
    if !is_root() {
        return;
    }
    let theirs = Theirs::new();
    let home = &theirs.home;
    for file in ["remint.toml", "remint.keys", "remint.db"] {
        fs::rename(home.file(file), home.dir().parent().unwrap().join(file)).unwrap();
    }
    home.run(&["init"]).ok();
    theirs.all_are_theirs();
    fs::copy(home.dir().parent().unwrap().join("remint.toml"), home.file("remint.toml")).unwrap();
    theirs.give(&home.file("remint.toml"));
    home.run_with(&CREATE_SHOP, SECRET).ok();
    home.run_with(&CREATE_ALICE, PASSWORD).ok();
    theirs.serve().log_in().ok();
}

#[test]
fn a_key_file_of_root_that_the_servers_group_may_read_is_taken() {
    if !is_root() {
        return;
    }
    let theirs = Theirs::new();
    let file = theirs.home.file("remint.keys");
    // As Kubernetes mounts a Secret for a pod with `fsGroup`.
    let data = theirs.home.file("..data");
    fs::create_dir(&data).unwrap();
    fs::rename(&file, data.join("remint.keys")).unwrap();
    symlink("..data/remint.keys", &file).unwrap();
    chown(data.join("remint.keys"), Some(0), Some(GROUP)).unwrap();
    let mode = |mode| {
        let permissions = Permissions::from_mode(mode);
        fs::set_permissions(data.join("remint.keys"), permissions).unwrap();
    };
    mode(0o440);
    theirs.serve().log_in().ok();
    run(theirs.command(&["config", "check"]), "").ok();
    for (bad, says) in [
        (0o444, "can be read by others (mode 0444, of root)"),
        (0o400, "cannot be read by user 64242: Permission denied"),
    ] {
        mode(bad);
        for command in ["serve", "check"] {
            let arguments: &[&str] =
                if command == "check" { &["config", "check"] } else { &["serve"] };
            let error = run(theirs.command(arguments), "").failed();
            assert!(error.contains(says), "{error}");
        }
    }
    mode(0o600);
    chown(data.join("remint.keys"), Some(USER + 1), Some(GROUP)).unwrap();
    let error = run(theirs.command(&["config", "check"]), "").failed();
    assert!(error.contains("cannot be read by user 64242"), "{error}");
    mode(0o644);
    let error = run(theirs.command(&["config", "check"]), "").failed();
    assert!(error.contains("belongs to user 64243 (mode 0644)"), "{error}");
    assert!(error.contains("run chown 64242 and chmod 600"), "{error}");
}

/// Files with a secret that are named in the configuration, and what else must be said for each.
#[test]
fn every_file_with_a_secret_is_refused_when_the_world_may_read_it() {
    let home = Home::new();
    home.set("http.plain", "false");
    home.serve().stop();
    for (from, to) in [("self-signed.crt", "tls.crt"), ("self-signed.key", "tls.key")] {
        fs::copy(home.file(from), home.file(to)).unwrap();
    }
    fs::write(home.file("password"), "secret\n").unwrap();
    home.set("http.certificate", "\"tls.crt\"");
    home.set("http.private_key", "\"tls.key\"");
    home.set("store.url", "\"postgres://remint@127.0.0.1:1/remint\"");
    home.set("store.password_file", "\"password\"");
    let mode = |file: &str, mode| {
        fs::set_permissions(home.file(file), Permissions::from_mode(mode)).unwrap();
    };
    let secrets = ["remint.keys", "tls.key", "password"];
    for file in secrets {
        mode(file, 0o600);
    }
    home.run(&["config", "check"]).ok();
    for file in secrets {
        mode(file, 0o644);
        let error = home.run(&["config", "check"]).failed();
        let says = "can be read by others (mode 0644, of ";
        assert!(error.contains(says) && error.contains(file), "{error}");
        assert!(error.contains("run chmod 600 on it"), "{error}");
        assert!(!error.contains("secret\n"), "{error}");
        mode(file, 0o600);
    }
    mode("password", 0o644);
    assert!(home.run(&["serve"]).failed().contains("store.password_file"));
    home.set("store.url", "\"\"");
    home.set("store.password_file", "\"\"");
    mode("tls.key", 0o644);
    assert!(home.run(&["serve"]).failed().contains("the private key"));
    mode("tls.key", 0o600);
    home.serve().stop();
}

#[test]
fn a_file_that_cannot_be_written_whole_is_not_there_at_all() {
    let home = Home::new();
    let root = home.dir().parent().unwrap().to_owned();
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" init --data-dir \"$1\"";
    let mut command = bare("/bin/sh");
    command.arg("-c").arg(script).arg(REMINT).arg(root.join("new"));
    let error = run(command, "").failed();
    assert!(error.contains("cannot write") && error.contains("remint.toml"), "{error}");
    assert_eq!(fs::read_dir(root.join("new")).unwrap().count(), 0);
    // With room for what is written first, but not for the database.
    let mut command = bare("/bin/sh");
    command.arg("-c").arg(script.replace("-f 1;", "-f 40;")).arg(REMINT).arg(root.join("new"));
    let error = run(command, "").failed();
    assert!(error.contains("database"), "{error}");
    assert_eq!(fs::read_dir(root.join("new")).unwrap().count(), 0, "it can be tried again");
}

#[test]
fn files_that_everybody_may_read_or_replace_are_pointed_out() {
    let home = Home::new();
    let notes = || home.json(&["config", "check"])["warnings"].to_string();
    assert!(!notes().contains("everybody"), "{}", notes());
    fs::set_permissions(home.file("remint.db"), Permissions::from_mode(0o644)).unwrap();
    assert!(notes().contains("who is who in the database") && notes().contains("mode 0644"));
    fs::set_permissions(home.dir(), Permissions::from_mode(0o777)).unwrap();
    assert!(notes().contains("replace the files in the data directory"), "{}", notes());
    home.serve().stop();
    assert!(home.log().contains("replace the files in the data directory"));
}

#[test]
fn one_server_runs_on_a_database_that_two_directories_lead_to() {
    let (home, other) = (Home::new(), Home::new());
    for file in ["remint.db", "remint.keys"] {
        fs::remove_file(other.file(file)).unwrap();
        symlink(home.file(file), other.file(file)).unwrap();
    }
    let server = home.serve();
    let error = other.run(&["serve"]).failed();
    assert!(error.contains("another remint serve") && error.contains("runs on"), "{error}");
    server.stop();
    other.serve().stop();
}
