//! A server below a path, behind nginx that keeps the path and behind nginx that takes it away.

use std::fs;
use std::path::Path;

use crate::client::{Client, HOME};
use crate::node::{Node, remint};
use crate::proxy::{self, Nginx};
use crate::site::HOST;

const CONFIGURATION: &str = include_str!("../../../../docs/nginx/remint-path.conf");
const KEEPS: &str = "proxy_pass http://remint;\n    }\n\n    location = /auth {";
const TAKES_AWAY: &str = "proxy_pass http://remint/;\n    }\n\n    location = /auth {";

fn start(dir: &Path, node: &Node, certificate: &Path, pass: &str) -> Nginx {
    fs::create_dir_all(dir).unwrap();
    let certificate = certificate.to_str().unwrap();
    Nginx::start_with(dir, |address| {
        let mut text = CONFIGURATION.to_owned();
        for (documented, here) in [
            ("listen 443 ssl", &*format!("listen {address} ssl")),
            ("127.0.0.1:9763", &node.address.to_string()),
            ("/etc/nginx/id.example.com.crt", certificate),
            ("/etc/nginx/id.example.com.key", &certificate.replace(".crt", ".key")),
            (KEEPS, pass),
        ] {
            assert!(text.contains(documented), "{documented} is not in the configuration any more");
            text = text.replace(documented, here);
        }
        text
    })
}

/// The paths on the host that a document names.
fn named(text: &str) -> Vec<String> {
    let marks = ["\"https://id.example.com", "href=\"", "action=\"", "src=\""];
    let all = marks.iter().flat_map(|mark| text.split(mark).skip(1));
    let paths = all.filter_map(|rest| rest.split(['"', '#']).next());
    paths.filter(|path| path.starts_with('/')).map(str::to_owned).collect()
}

#[test]
fn every_url_is_served_below_a_path_whether_nginx_keeps_it_or_not() {
    if proxy::find().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    remint(&data, &["init", "--issuer", "https://id.example.com/auth"], "");
    let toml = data.join("remint.toml");
    let text = fs::read_to_string(&toml).unwrap().replace("# plain = false", "plain = true");
    fs::write(toml, text).unwrap();
    let node = Node::start(&data);
    let (certificate, _) = remint_server::http::tls::self_signed(dir.path(), HOST).unwrap();
    for (name, pass) in [("keeps", KEEPS), ("takes-away", TAKES_AWAY)] {
        let nginx = start(&dir.path().join(name), &node, &certificate, pass);
        let client = Client::new(HOME, nginx.address, &certificate);
        let mut seen = 0;
        for place in [
            "/auth/.well-known/openid-configuration",
            "/.well-known/openid-configuration/auth",
            "/.well-known/oauth-authorization-server/auth",
            "/auth/login",
        ] {
            let document = client.get(place).ok();
            for path in named(&document.body) {
                let answer = client.get(&path);
                assert!(answer.status < 500 && answer.status != 404, "{name}: {path}: {answer:?}");
                seen += 1;
            }
        }
        assert!(seen >= 24, "{seen}");
        for home in ["/auth/", "/auth/account"] {
            let answer = client.get(home);
            let leads = answer.location().is_some_and(|to| to.starts_with("/auth/"));
            assert!(leads, "{name}: {home}: {answer:?}");
            assert_eq!(answer.status, 303);
        }
    }
}
