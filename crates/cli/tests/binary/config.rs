//! `remint config`, and what a wrong configuration is told.

use std::fs;

use crate::home::Home;

#[test]
fn a_good_configuration_is_checked_and_shown_with_its_origins() {
    let home = Home::new();
    home.set("http.listen", "\"127.0.0.1:9443\"");
    home.set("http.trusted_proxies", "\"127.0.0.1\"");
    home.set("passwords.memory", "\"46MiB\"");
    assert_eq!(home.run(&["config", "check"]).ok().stdout, "The configuration is good.\n");
    let mut command = home.command(&["config", "show", "--json"]);
    command.env("REMINT_TOKENS_GRACE_PERIOD", "30s");
    let shown = crate::home::run(command, "").ok().json();
    let find = |key: &str| {
        let all = shown.as_array().unwrap();
        all.iter().find(|one| one["key"] == key).unwrap().clone()
    };
    assert_eq!(find("tokens.grace_period")["value"], "\"30s\"");
    assert_eq!(find("tokens.grace_period")["origin"], "REMINT_TOKENS_GRACE_PERIOD");
    assert_eq!(find("http.header_timeout")["origin"], "default");
    assert!(find("http.plain")["origin"].as_str().unwrap().contains("remint.toml:"));
}

#[test]
fn a_wrong_configuration_names_file_line_and_what_to_write() {
    let home = Home::new();
    let good = fs::read_to_string(home.file("remint.toml")).unwrap();
    let lines = good.lines().count();
    for (more, part) in [
        ("[token]\n", "there is no key token; did you mean"),
        ("[tokens.more]\nx = 1\n", "can not be this"),
        ("[", "this is not TOML"),
    ] {
        fs::write(home.file("remint.toml"), format!("{good}{more}")).unwrap();
        for command in ["serve", "config"] {
            let arguments =
                if command == "serve" { vec!["serve"] } else { vec!["config", "check"] };
            let error = home.run(&arguments).failed();
            assert!(error.contains(&format!("remint.toml:{}: ", lines + 1)), "{error}");
            assert!(error.contains(part) || error.contains("did you mean"), "{error}");
        }
    }
    fs::write(home.file("remint.toml"), good).unwrap();
    home.set("tokens.grace_period", "\"an hour\"");
    let error = home.run(&["serve"]).failed();
    assert!(error.contains("write a time such as \"1d\""), "{error}");
}

#[test]
fn surprises_are_pointed_out() {
    let home = Home::new();
    home.set("tokens.renew_refresh_token", "false");
    let text = home.run(&["config", "check"]).ok().stdout;
    assert!(text.contains("public clients still get a new refresh token"), "{text}");
    let server = home.serve();
    server.stop();
    assert!(home.log().contains("public clients still get a new refresh token"), "{}", home.log());
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    fs::set_permissions(home.file("remint.keys"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(home.run(&["serve"]).failed().contains("chmod 600"));
    fs::remove_file(home.file("remint.keys")).unwrap();
    assert!(home.run(&["serve"]).failed().contains("restore it from your backup"));
}
