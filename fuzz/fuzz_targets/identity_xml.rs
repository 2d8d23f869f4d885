//! The import of WSO2's identity.xml.
//!
//! Laws: nothing panics; what is written is a configuration that the server takes; each setting that
//! the report names stands in it; no line of the report can steer a terminal.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use remint::import_wso2::{Import, Line, Placeholders, convert};
use remint_server::config::{Config, Sources};

fuzz_target!(|xml: &str| {
    let placeholders = Placeholders::default();
    let Ok(import) = convert(xml, &placeholders) else { return };
    is_a_configuration(&import.toml);
    assert_eq!(convert(xml, &placeholders).as_ref(), Ok(&import), "the same file, another result");
    tells_what_is_written(&import);
    let rows = xml.matches('\n').count() + 1;
    import.report.iter().for_each(|line| is_fit_to_be_shown(line, rows));
});

fn is_a_configuration(written: &str) {
    Sources::from_toml(Path::new("remint.toml"), written)
        .and_then(|sources| Config::resolve(&sources))
        .unwrap_or_else(|fault| panic!("what is written is refused: {fault}\n{written}"));
}

fn tells_what_is_written(import: &Import) {
    let written: toml::Table = import.toml.parse().expect("a table");
    let told = import.report.iter().filter_map(|line| line.becomes.as_deref());
    for setting in told.filter(|becomes| !becomes.starts_with("remint ")) {
        let told: toml::Table = setting.parse().expect("a setting is TOML");
        for (name, value) in told {
            match value {
                toml::Value::Table(section) => {
                    assert!(
                        section.iter().all(|(key, value)| {
                            written.get(&name).and_then(|s| s.get(key)) == Some(value)
                        }),
                        "{setting} is not written:\n{}",
                        import.toml
                    );
                }
                value => assert_eq!(written.get(&name), Some(&value), "{setting}"),
            }
        }
    }
}

fn is_fit_to_be_shown(line: &Line, rows: usize) {
    assert!(!line.element.is_empty() && !line.reason.is_empty());
    let texts = [&line.element, &line.value, &line.reason];
    for text in texts.into_iter().chain(line.becomes.as_ref()) {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    assert!(line.source_line as usize <= rows, "there is no line {}", line.source_line);
}
