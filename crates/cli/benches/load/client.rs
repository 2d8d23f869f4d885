//! A deliberately small HTTP/1.1 client: one keep-alive connection, one request in flight.
//!
//! The driver shares a small machine with the server that it loads: every microsecond that it
//! spends is one in which it, and not the server, is the limit. It refuses answers without a
//! Content-Length, and it never repeats a request: whether the refresh token was used up is unknown
//! then.

use std::io;
use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// No answer of a token endpoint comes near this.
const LARGEST_ANSWER: usize = 1 << 20;

/// One connection.
pub(crate) struct Client {
    address: SocketAddr,
    /// The address as text, for the Host header.
    host: String,
    authorization: String,
    stream: Option<TcpStream>,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// What the server said.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// Seconds, of the Retry-After header.
    pub(crate) retry_after: Option<u64>,
    /// Where it leads.
    pub(crate) location: Option<String>,
    /// What it lets a browser keep.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// The whole answer, for an error message.
    pub(crate) fn describe(&self) -> String {
        format!("status {}, body {}", self.status, String::from_utf8_lossy(self.body))
    }
}

/// What the head of an answer says.
struct Head {
    bytes: usize,
    status: u16,
    length: usize,
    closes: bool,
    retry_after: Option<u64>,
    location: Option<String>,
    cookies: Vec<String>,
}

impl Client {
    /// Connects with the first request. The second argument is the Authorization header's value.
    pub(crate) fn new(address: SocketAddr, authorization: &str) -> Self {
        Self {
            address,
            host: address.to_string(),
            authorization: authorization.to_owned(),
            stream: None,
            input: Vec::with_capacity(8 << 10),
            output: Vec::with_capacity(4 << 10),
        }
    }

    /// Sends a form and waits for the answer.
    pub(crate) async fn post(&mut self, path: &str, form: &str) -> Result<Answer<'_>> {
        self.output.clear();
        write!(
            self.output,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: remint-load\r\n\
             Accept: application/json\r\nAuthorization: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.host,
            self.authorization,
            form.len()
        )?;
        self.exchange().await
    }

    /// Fetches a page.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer<'_>> {
        self.output.clear();
        write!(self.output, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host)?;
        self.exchange().await
    }

    /// Fetches a page or sends its form, as a browser that has these cookies.
    pub(crate) async fn visit(
        &mut self,
        path: &str,
        cookies: &str,
        form: Option<&str>,
    ) -> Result<Answer<'_>> {
        let method = if form.is_some() { "POST" } else { "GET" };
        let form = form.unwrap_or_default();
        self.output.clear();
        write!(
            self.output,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookies}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.host,
            form.len()
        )?;
        self.exchange().await
    }

    /// After an error the connection is gone: `stream` is put back only when all went well.
    async fn exchange(&mut self) -> Result<Answer<'_>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        stream.write_all(&self.output).await.context("sending a request")?;
        self.input.clear();
        let head = loop {
            fill(&mut stream, &mut self.input).await?;
            if let Some(head) = Head::parse(&self.input)? {
                break head;
            }
        };
        let end = head.bytes.saturating_add(head.length);
        ensure!(end <= LARGEST_ANSWER, "an answer of {end} bytes");
        while self.input.len() < end {
            fill(&mut stream, &mut self.input).await?;
        }
        if !head.closes {
            self.stream = Some(stream);
        }
        let body = self.input.get(head.bytes..end).unwrap_or_default();
        let Head { status, retry_after, location, cookies, .. } = head;
        Ok(Answer { status, retry_after, location, cookies, body })
    }

    async fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Head {
    /// `None` while there is more of it to come.
    fn parse(input: &[u8]) -> Result<Option<Self>> {
        ensure!(input.len() <= LARGEST_ANSWER, "an answer without an end to its head");
        let mut headers = [httparse::EMPTY_HEADER; 48];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(bytes) = response.parse(input)? else {
            return Ok(None);
        };
        let mut closes = response.version == Some(0);
        let mut length = None;
        let mut retry_after = None;
        let mut location = None;
        let mut cookies = Vec::new();
        let text = |value| String::from_utf8_lossy(value).into_owned();
        for header in response.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                length = number(header.value);
            } else if header.name.eq_ignore_ascii_case("retry-after") {
                retry_after = number(header.value);
            } else if header.name.eq_ignore_ascii_case("connection") {
                closes = header.value.eq_ignore_ascii_case(b"close");
            } else if header.name.eq_ignore_ascii_case("location") {
                location = Some(text(header.value));
            } else if header.name.eq_ignore_ascii_case("set-cookie") {
                cookies.push(text(header.value));
            }
        }
        let status = response.code.context("an answer without a status")?;
        let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else {
            bail!("status {status} without a Content-Length");
        };
        Ok(Some(Self { bytes, status, length, closes, retry_after, location, cookies }))
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

async fn fill(stream: &mut TcpStream, input: &mut Vec<u8>) -> Result<()> {
    let read = stream.read_buf(input).await.context("reading an answer")?;
    if read == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof)).context("reading an answer");
    }
    Ok(())
}
