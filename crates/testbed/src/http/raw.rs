//! Requests byte by byte, for what no client would send.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Answer;

/// The time that a server may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// The header line of a form.
pub const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A request, after whose answer the connection ends. Each of the header lines has its end.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The same with a form.
pub fn form(path: &str, headers: &str, body: &str) -> String {
    request("POST", path, &format!("{FORM}{headers}"), body)
}

/// A connection on which nobody waits forever.
#[track_caller]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("the time is not zero");
    stream
}

/// Reads until the server closes or falls silent.
pub fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // What was read before a connection broke off is there all the same.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends bytes as they are, and gives all that comes back.
#[track_caller]
pub fn send(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(address);
    // A server that answers early and closes is no fault of the test.
    let _ = stream.write_all(bytes.as_ref());
    rest(stream)
}

/// The same, where one answer comes back.
#[track_caller]
pub fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Answer {
    Answer::parse(&send(address, bytes))
}
