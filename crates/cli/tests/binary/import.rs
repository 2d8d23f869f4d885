//! `remint import wso2-config`.

use std::fs;

use crate::home::{Home, remint, run};

const IDENTITY_XML: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/wso2/identity-5.1.0.xml");

#[test]
fn wso2s_own_file_becomes_a_configuration_that_serves() {
    let dir = tempfile::tempdir().unwrap();
    let toml = dir.path().join("remint.toml");
    let mut command = remint();
    command.args(["import", "wso2-config", IDENTITY_XML, "--output"]).arg(&toml);
    let report = run(command, "").ok().stdout;
    for (element, verdict) in [
        ("RefreshTokenValidityPeriod", "honoured"),
        ("RenewRefreshTokenForRefreshGrant", "honoured"),
    ] {
        let line = report.lines().find(|line| line.contains(element)).unwrap();
        assert!(line.starts_with(verdict), "{line}");
    }
    assert!(report.contains("84600"), "the odd number is pointed out: {report}");
    let text = fs::read_to_string(&toml).unwrap();
    assert!(text.contains("refresh_token_lifetime"), "{text}");

    let home = Home::new();
    fs::copy(&toml, home.file("remint.toml")).unwrap();
    let shown = home.json(&["config", "show"]);
    let lifetime = shown.as_array().unwrap().iter();
    let lifetime = lifetime.clone().find(|one| one["key"] == "tokens.refresh_token_lifetime");
    assert_eq!(lifetime.unwrap()["value"], "\"1410m\"", "84600 seconds");
    home.run(&["config", "check"]).ok();
}

#[test]
fn nothing_is_overwritten_and_nothing_is_guessed() {
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("taken.toml");
    fs::write(&taken, "issuer = \"https://mine\"").unwrap();
    let import = |file: &std::path::Path| {
        let mut command = remint();
        command.args(["import", "wso2-config"]).arg(file).arg("--output").arg(&taken);
        run(command, "")
    };
    assert!(import(IDENTITY_XML.as_ref()).failed().contains("cannot write"));
    assert_eq!(fs::read_to_string(&taken).unwrap(), "issuer = \"https://mine\"");
    let broken = dir.path().join("identity.xml");
    for (text, part) in [("<Server>", "identity.xml"), ("<Server/>", "OAuth")] {
        fs::write(&broken, text).unwrap();
        let error = import(&broken).failed();
        assert!(error.contains(part), "{error}");
    }
    assert!(import(&dir.path().join("nowhere.xml")).failed().contains("cannot read"));
}
