//! What the configuration promises.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use remint_testbed::http::Answer;

use crate::broken::Broken;
use crate::client::{Client, ELSEWHERE, HOME};
use crate::node::Node;
use crate::proxy::CONFIGURATION;
use crate::site::{HOST, Installation, Site};

/// What a client does that is not answered for certain: it sends the same refresh token again.
fn refresh_until_answered(client: &Client, token: &str) -> Answer {
    (0..10).map(|_| client.refresh(token)).find(|answer| answer.status != 503).unwrap()
}

#[test]
fn the_guide_shows_the_configuration_that_is_tested() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scaling.md");
    let guide = fs::read_to_string(guide).unwrap();
    assert!(
        guide.contains(&format!("```nginx\n{CONFIGURATION}```\n")),
        "copy docs/nginx/remint.conf"
    );
}

#[test]
fn a_session_goes_on_at_the_other_node_when_one_is_killed() {
    let Some(mut site) = Site::new() else { return };
    let client = site.client(HOME, site.nginx.address);
    let mut token = client.log_in().ok().text("refresh_token");
    for _ in 0..6 {
        token = client.refresh(&token).ok().text("refresh_token");
    }
    let alone = |node: &Node| format!("node={} node_status=200", node.address);
    let before = site.nginx.log(7);
    for answered in site.nodes.each_ref().map(alone) {
        assert!(before.iter().any(|line| line.contains(&answered)), "{before:?}");
    }
    site.nodes[1].kill();
    for _ in 0..6 {
        token = refresh_until_answered(&client, &token).ok().text("refresh_token");
    }
    let log = site.nginx.log(before.len() + 6);
    let by_first = log[before.len()..].iter().filter(|l| l.contains(&alone(&site.nodes[0])));
    assert!(by_first.count() >= 4, "{log:?}");
}

#[test]
fn a_request_that_finds_a_node_gone_is_answered_by_another_one() {
    let Some(installation) = Installation::new() else { return };
    let node = installation.start(1);
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let nginx = installation.start_nginx([gone, node.address]);
    let client = installation.client(HOME, nginx.address);
    let token = client.log_in().ok().text("refresh_token");
    client.refresh(&token).ok();
    let both = format!("node={gone}, {} node_status=502, 200", node.address);
    let log = nginx.log(2);
    assert!(log.iter().any(|line| line.contains(&both)), "{log:?}");
}

#[test]
fn nodes_with_self_signed_certificates_of_their_own_are_trusted_by_one_file() {
    let Some(installation) = Installation::new() else { return };
    let nodes =
        [installation.start(1), installation.start_with(2, &["remint.toml", "remint.keys"])];
    let made = [1, 2].map(|number| installation.node_dir(number).join("self-signed.crt"));
    let made = made.map(|file| fs::read_to_string(file).unwrap());
    assert_ne!(made[0], made[1]);
    // Not in the order of the nodes alone: whoever looks by name finds the first of that name.
    for (number, both) in [made.concat(), format!("{}{}", made[1], made[0])].iter().enumerate() {
        let trusted = installation.node_dir(1).join(format!("nodes-{number}.crt"));
        fs::write(&trusted, both).unwrap();
        let addresses = nodes.each_ref().map(|node| node.address);
        let nginx = installation.start_nginx_trusting(addresses, &trusted);
        let client = installation.client(HOME, nginx.address);
        let mut token = client.log_in().ok().text("refresh_token");
        for _ in 0..6 {
            token = client.refresh(&token).ok().text("refresh_token");
        }
        let log = nginx.log(7 * (number + 1));
        assert!(log.iter().all(|line| line.contains("node_status=200 ")), "{log:?}");
        for address in addresses {
            let answered = format!("node={address} ");
            assert!(log.iter().any(|line| line.contains(&answered)), "{address}: {log:?}");
        }
    }
}

#[test]
fn whoever_poses_as_a_node_is_told_nothing() {
    let Some(installation) = Installation::new() else { return };
    let node = installation.start(1);
    let dir = tempfile::tempdir().unwrap();
    let (certificate, _) = remint_server::http::tls::self_signed(dir.path(), HOST).unwrap();
    let impostor = Broken::start(&certificate);
    let nginx = installation.start_nginx([impostor.address, node.address]);
    let client = installation.client(HOME, nginx.address);
    let token = client.log_in().ok().text("refresh_token");
    client.refresh(&token).ok();
    let both = format!("node={}, {} node_status=502, 200", impostor.address, node.address);
    let log = nginx.log(2);
    assert!(log.iter().any(|line| line.contains(&both)), "{log:?}");
    assert_eq!(impostor.requests(), 0);
}

#[test]
fn a_client_is_known_by_its_own_address_whatever_it_writes_into_the_header() {
    let Some(site) = Site::new() else { return };
    let logs = || site.nodes.iter().map(Node::log).collect::<String>();
    site.client(HOME, site.nginx.address).log_in_forwarded_for("6.6.6.6").ok();
    // Lines are written by a thread of their own.
    let told = |source: Ipv4Addr| {
        let is_told = || logs().contains(&format!("source={source}"));
        (0..500).any(|_| is_told() || (sleep(Duration::from_millis(20)), false).1)
    };
    assert!(told(HOME), "{}", logs());
    let past_nginx = site.client(ELSEWHERE, site.nodes[0].address);
    past_nginx.log_in_forwarded_for("6.6.6.6").ok();
    assert!(told(ELSEWHERE), "{}", logs());
    assert!(!logs().contains("6.6.6.6"), "{}", logs());
}

#[test]
fn a_node_that_is_not_ready_is_left_out_once_it_said_so() {
    let Some(site) = Site::new() else { return };
    let client = site.client(HOME, site.nginx.address);
    let mut token = client.log_in().ok().text("refresh_token");
    site.add_key();
    let second = site.nodes[1].address;
    let lacking = format!("{second}, {} node_status=503, 200", site.nodes[0].address);
    let said = || site.nginx.log(1).iter().any(|line| line.contains(&lacking));
    for _ in 0..1_000 {
        // Whoever asks is told of a node that is ready.
        assert_eq!(client.get("/health/ready").ok().body, "ready\n");
        if said() {
            break;
        }
        sleep(Duration::from_millis(20));
    }
    let before = site.nginx.log(1);
    assert!(said(), "{before:?}");
    for _ in 0..6 {
        token = client.refresh(&token).ok().text("refresh_token");
    }
    let log = site.nginx.log(before.len() + 6);
    let since = &log[before.len()..];
    assert!(!since.iter().any(|line| line.contains(&second.to_string())), "{since:?}");
}

#[test]
fn what_may_have_been_done_is_not_done_again_at_another_node() {
    let Some(installation) = Installation::new() else { return };
    let node = installation.start(1);
    let broken = Broken::start(&installation.certificate());
    let nginx = installation.start_nginx([broken.address, node.address]);
    let client = installation.client(HOME, nginx.address);
    let token = installation.client(HOME, node.address).log_in().ok().text("refresh_token");
    let answers = [client.refresh(&token), client.refresh(&token)];
    assert_eq!(broken.requests(), 1, "{answers:?}");
    let unknown = answers.iter().find(|answer| answer.status == 503).unwrap();
    unknown.expect(503, "temporarily_unavailable");
    assert_eq!(unknown.retry_after(), Some(1), "{unknown:?}");
    let alone = format!("node={} node_status=502 request_id", broken.address);
    let log = nginx.log(2);
    assert!(log.iter().any(|line| line.contains(&alone)), "{log:?}");
    client.refresh(&token).ok();
}

#[test]
fn where_no_node_answers_clients_are_told_to_try_again() {
    let Some(mut site) = Site::new() else { return };
    let client = site.client(HOME, site.nginx.address);
    let token = client.log_in().ok().text("refresh_token");
    site.nodes.iter_mut().for_each(Node::kill);
    // The first time nginx finds out, the second time it knows.
    for _ in 0..2 {
        let answer = client.refresh(&token);
        answer.expect(503, "temporarily_unavailable");
        assert_eq!(answer.retry_after(), Some(1), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    }
}
