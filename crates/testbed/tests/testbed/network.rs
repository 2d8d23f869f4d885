//! The proxy fails in the ways that networks do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use remint_testbed::Proxy;

/// A proxy, and the server that it leads to.
fn proxied() -> (Proxy, TcpListener) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    (Proxy::start(listener.local_addr().unwrap()), listener)
}

/// Long enough for any machine, and short enough to see a test fail.
const PATIENCE: Duration = Duration::from_secs(20);

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn accept(listener: &TcpListener) -> TcpStream {
    let pause = Duration::from_millis(1);
    listener.set_nonblocking(true).unwrap();
    let tries = PATIENCE.as_millis() / pause.as_millis();
    let accepted = (0..tries).find_map(|_| {
        thread::sleep(pause);
        listener.accept().ok()
    });
    let (stream, _) = accepted.expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Both ends of a new connection.
fn connection(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    (connect(proxy), accept(listener))
}

fn send(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    from.write_all(bytes).unwrap();
    let mut read = vec![0; bytes.len()];
    to.read_exact(&mut read).unwrap();
    assert_eq!(read, bytes);
}

fn is_reset(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn bytes_go_both_ways_and_so_does_the_end_of_each() {
    let (proxy, listener) = proxied();
    let (mut client, mut server) = connection(&proxy, &listener);
    send(&mut client, &mut server, &[7; 5000]);
    send(&mut server, &mut client, b"answer");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
    send(&mut server, &mut client, b"late answer");
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn more_than_the_buffers_hold_arrives_whole() {
    let (proxy, listener) = proxied();
    let (mut client, mut server) = connection(&proxy, &listener);
    let sent = (0..=250).cycle().take(1_000_000).collect::<Vec<u8>>().repeat(40);
    let read = thread::scope(|scope| {
        scope.spawn(|| client.write_all(&sent).and_then(|()| client.shutdown(Shutdown::Write)));
        // Nobody reads for a while, so the proxy has had to wait in the middle of it.
        thread::sleep(Duration::from_millis(200));
        proxy.freeze(true);
        proxy.freeze(false);
        let mut read = Vec::new();
        server.read_to_end(&mut read).unwrap();
        read
    });
    assert!(read == sent);
}

#[test]
fn a_cut_resets_what_is_open_and_nothing_that_comes_later() {
    let (proxy, listener) = proxied();
    let mut open: Vec<_> = (0..3).map(|_| connection(&proxy, &listener)).collect();
    for (client, server) in &mut open {
        send(client, server, b"x");
    }
    proxy.cut();
    for (client, server) in &mut open {
        assert!(is_reset(client) && is_reset(server));
    }
    let (mut client, mut server) = connection(&proxy, &listener);
    send(&mut client, &mut server, b"again");
}

#[test]
fn a_cut_after_some_bytes_delivers_those_and_loses_the_answer() {
    let (proxy, listener) = proxied();
    let (mut old, mut its_server) = connection(&proxy, &listener);
    send(&mut old, &mut its_server, b"before");
    proxy.cut_after_bytes(10);
    let (mut client, mut server) = connection(&proxy, &listener);
    send(&mut server, &mut client, b"what servers send does not count");
    send(&mut old, &mut its_server, b"abc");
    client.write_all(b"0123456789").unwrap();
    assert!(is_reset(&mut client));
    let mut delivered = Vec::new();
    // The server may answer as long as it likes before it sees the end.
    server.write_all(&vec![1; 100_000]).unwrap();
    server.read_to_end(&mut delivered).unwrap();
    assert_eq!(delivered, b"0123456");
    server.write_all(b"lost").unwrap();
    drop(server);
    send(&mut old, &mut its_server, b"goes on, and is cut no more");
}

#[test]
fn a_cut_can_come_exactly_at_the_end_of_a_message_or_before_any() {
    let (proxy, listener) = proxied();
    for (budget, delivered) in [(7, "message"), (0, "")] {
        let (mut client, mut server) = connection(&proxy, &listener);
        proxy.cut_after_bytes(budget);
        client.write_all(b"message").unwrap();
        assert!(is_reset(&mut client));
        let mut read = String::new();
        server.read_to_string(&mut read).unwrap();
        assert_eq!(read, delivered);
    }
}

#[test]
fn refused_connections_are_reset_and_open_ones_go_on() {
    let (proxy, listener) = proxied();
    let (mut client, mut server) = connection(&proxy, &listener);
    proxy.refuse(true);
    assert!(is_reset(&mut connect(&proxy)));
    send(&mut client, &mut server, b"goes on");
    proxy.refuse(false);
    let (mut client, mut server) = connection(&proxy, &listener);
    send(&mut client, &mut server, b"again");
}

#[test]
fn bytes_stand_still_until_the_freeze_ends() {
    let (proxy, listener) = proxied();
    let (mut client, mut server) = connection(&proxy, &listener);
    proxy.freeze(true);
    client.write_all(b"held").unwrap();
    let (mut late, mut its_server) = connection(&proxy, &listener);
    late.write_all(b"too").unwrap();
    thread::sleep(Duration::from_millis(50));
    for server in [&server, &its_server] {
        server.set_nonblocking(true).unwrap();
        assert_eq!((&*server).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        server.set_nonblocking(false).unwrap();
    }
    proxy.freeze(false);
    let mut read = [0; 4];
    server.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"held");
    its_server.read_exact(&mut read[..3]).unwrap();
    assert_eq!(&read[..3], b"too");
}

#[test]
fn a_frozen_connection_can_be_cut() {
    let (proxy, listener) = proxied();
    let (mut client, mut server) = connection(&proxy, &listener);
    proxy.freeze(true);
    client.write_all(b"never").unwrap();
    thread::sleep(Duration::from_millis(50));
    proxy.cut();
    assert!(is_reset(&mut client) && is_reset(&mut server));
}

#[test]
fn new_connections_go_where_the_proxy_points_to() {
    let (proxy, first) = proxied();
    let (mut client, mut server) = connection(&proxy, &first);
    let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    proxy.repoint(second.local_addr().unwrap());
    let (mut late, mut its_server) = connection(&proxy, &second);
    send(&mut late, &mut its_server, b"here");
    send(&mut client, &mut server, b"there still");
}

#[test]
fn a_connection_to_nobody_is_reset() {
    let (proxy, listener) = proxied();
    drop(listener);
    assert!(is_reset(&mut connect(&proxy)));
}

#[test]
fn a_proxy_that_is_gone_leaves_nothing_open() {
    let (proxy, listener) = proxied();
    let (mut client, mut server) = connection(&proxy, &listener);
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, proxy.port()).into();
    drop(proxy);
    assert!(is_reset(&mut client) && is_reset(&mut server));
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
