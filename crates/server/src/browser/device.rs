//! The mark that a browser gets when somebody signs in there, and brings along when they sign in again
//! (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
//!
//! Whoever has it is judged by wrong guesses of their own: those of strangers, also of strangers behind
//! the same address, do not keep them out. It proves nothing else, tells the name to nobody, and outlives
//! the session.

use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::Cookie;
use remint_protocol::secret::SecretHash;
use remint_protocol::throttle::{DeviceId, KNOW_DEVICE_FOR};
use remint_protocol::time::Timestamp;

use crate::App;
use crate::entropy;
use crate::http::cookie::{cookie, find};
use crate::http::failure::Failure;

/// A mark as the browser keeps it: number, end and proof.
const LEN: usize = 16 + 8 + 32;

/// The mark of a browser where this account was signed in to before.
pub(crate) fn read(app: &App, head: &Parts, username: &str, now: Timestamp) -> Option<DeviceId> {
    let bytes: [u8; LEN] =
        URL_SAFE_NO_PAD.decode(find(head, &app.cookies().device)?).ok()?.try_into().ok()?;
    let (number, rest) = bytes.split_first_chunk::<16>()?;
    let (end, proof) = rest.split_first_chunk::<8>()?;
    let until = Timestamp::from_millis(i64::from_be_bytes(*end));
    let device = DeviceId(*number);
    let is_ours =
        app.keys().is_device(&what(device, until, username), &SecretHash(proof.try_into().ok()?));
    (is_ours && now < until).then_some(device)
}

/// A new mark for this account. Each is another one, and so is what strangers could know of it.
pub(crate) fn mark(app: &App, username: &str, now: Timestamp) -> Result<Cookie<'static>, Failure> {
    let device = DeviceId(entropy::bytes()?);
    let until = now.after(KNOW_DEVICE_FOR);
    let proof = app.keys().device(&what(device, until, username));
    let proof = proof.ok_or(Failure::Internal("the active key is missing"))?;
    let mut value = Vec::with_capacity(LEN);
    value.extend_from_slice(&device.0);
    value.extend_from_slice(&until.as_millis().to_be_bytes());
    value.extend_from_slice(&proof.0);
    let mut cookie = cookie(app.cookies().device.clone(), URL_SAFE_NO_PAD.encode(value));
    let seconds = i64::try_from(KNOW_DEVICE_FOR.as_secs()).unwrap_or(i64::MAX);
    cookie.set_max_age(cookie::time::Duration::seconds(seconds));
    Ok(cookie)
}

/// Returns the content that the proof covers. Everything before the name has a fixed length.
fn what(device: DeviceId, until: Timestamp, username: &str) -> Vec<u8> {
    let mut bytes = device.0.to_vec();
    bytes.extend_from_slice(&until.as_millis().to_be_bytes());
    bytes.extend_from_slice(username.as_bytes());
    bytes
}
