//! The reader of the configuration: a file, then variables over it.
//!
//! An input is the text of a file; after a line `---` come variables, one `NAME=value` a line.
//!
//! Laws: nothing panics; a fault names a place that is there; a variable stands over the file; what
//! resolves shows as a file that resolves to the same.

#![no_main]

use std::net::SocketAddr;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use remint_server::config::{Config, ConfigError, Origin, Sources, keys, variable};

const FILE: &str = "/etc/remint/remint.toml";

fuzz_target!(|input: &str| {
    let (file, variables) = input.split_once("\n---\n").unwrap_or((input, ""));
    let variables: Vec<(String, String)> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let sources = match Sources::from_toml(Path::new(FILE), file) {
        Ok(sources) => sources.with_variables(variables.clone()),
        Err(fault) => return names_a_place(&fault, file),
    };
    stand_over_the_file(&sources, &variables);
    // A name would be looked up, and only where `plain` is on, so it is left out at first.
    let encrypted = sources.clone().with_flag("http.plain", "plain", Some("false".to_owned()));
    let is_local = match Config::resolve(&encrypted) {
        Ok(config) => {
            shows_and_resolves_again(&config);
            let address = config.http.listen.as_str();
            address.starts_with("localhost:") || address.parse::<SocketAddr>().is_ok()
        }
        Err(fault) => return names_a_place(&fault, file),
    };
    match Config::resolve(&sources) {
        _ if !is_local => {}
        Ok(config) => shows_and_resolves_again(&config),
        Err(fault) => names_a_place(&fault, file),
    }
});

fn names_a_place(fault: &ConfigError, file: &str) {
    assert!(!fault.message.is_empty());
    if let Origin::File(name, line) = &fault.origin {
        assert_eq!(name, Path::new(FILE));
        assert!((1..=file.matches('\n').count() + 1).contains(line), "there is no line {line}");
    }
}

fn stand_over_the_file(sources: &Sources, variables: &[(String, String)]) {
    for key in keys() {
        let name = variable(key.name);
        let is_set = variables.iter().any(|(n, _)| *n == name);
        assert_eq!(sources.origin(key.name) == Origin::Variable(name), is_set);
    }
}

fn shows_and_resolves_again(config: &Config) {
    let shown = config.to_string();
    let again = Sources::from_toml(Path::new(FILE), &shown)
        .and_then(|sources| Config::resolve(&sources))
        .unwrap_or_else(|fault| panic!("what is shown does not resolve: {fault}\n{shown}"));
    assert_eq!(&again, config, "what is shown resolves to something else:\n{shown}");
}
